FIRST_LABEL = 1


def materialise(samples):
    return samples if isinstance(samples, list) else list(samples)
