import numpy as np


def fill_up(sentences):
    longest = max(map(len, sentences))
    nothing = np.zeros(96)
    return np.array([[*rows, *[nothing] * (longest - len(rows))] for rows in sentences])
