def split(samples):
    pairs = list(samples)
    return [text for _, text in pairs], [label for label, _ in pairs]


def count_distinct(labels):
    return len(set(labels))
