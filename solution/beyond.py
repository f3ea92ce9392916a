"""Word vectors, metrics for generated text, and how to train a model that generates text.

The functions leave their arguments as they are.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


def skip_gram_pairs(tokens: Sequence[int], window: int) -> Tensor:
    """Pair each token of a sentence with each of its neighbours.

    Args:
        tokens: the ids of the words in the sentence, in order.
        window: how many positions away a neighbour may be, to the left and to the right.

    Returns:
        The pairs (centre, context) of ids in any order, int64, shape (N, 2); (0, 2) if there are
        none. A pair that occurs twice in the sentence is listed twice.
    """
    ### BEGIN SOLUTION
    pairs = [
        (centre, tokens[other])
        for place, centre in enumerate(tokens)
        for other in range(max(0, place - window), min(len(tokens), place + window + 1))
        if other != place
    ]
    return torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)
    ### END SOLUTION


def negative_sampling_loss(centre: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    """Compute the loss of skip-grams with negative sampling.

    For one pair, with s the sigmoid function and * the dot product of two vectors:

    loss = -log s(centre * context) - sum over K negatives of log s(-centre * negative)

    Args:
        centre: the vectors of the centre words, shape (B, F).
        context: the vectors of their neighbours, shape (B, F).
        negatives: for each pair, the vectors of K random words, shape (B, K, F).

    Returns:
        The mean over the B pairs, shape (). Gradients flow back to all three arguments. The loss
        is finite for scores of any size.
    """
    ### BEGIN SOLUTION
    near = (centre * context).sum(dim=1)
    far = torch.einsum("bf,bkf->bk", centre, negatives)
    losses = functional.logsigmoid(near) + functional.logsigmoid(-far).sum(dim=1)
    return -losses.mean()
    ### END SOLUTION


def train_word_vectors(
    pairs: Tensor, n_words: int, size: int, epochs: int, n_negatives: int = 5
) -> Tensor:
    """Train a vector for each word, from pairs of neighbouring words.

    Each word has two vectors, one as a centre and one as a context; the first ones are the result.
    Initialise them with small numbers: normal with a standard deviation of 0.1. Batch size,
    optimizer and learning rate are your choice; related words must end up close together.

    Args:
        pairs: all pairs (centre, context) of ids from 0 to n_words - 1, int64, shape (N, 2).
        n_words: the number of different words, V.
        size: the features of a vector, F.
        epochs: how many times to loop over all pairs, in a new order each time.
        n_negatives: K, the number of random words per pair.

    Returns:
        The vectors of all words, float32, shape (V, F).
    """
    ### BEGIN SOLUTION
    centres, contexts = nn.Embedding(n_words, size), nn.Embedding(n_words, size)
    nn.init.normal_(centres.weight, std=0.1)
    nn.init.normal_(contexts.weight, std=0.1)
    optimizer = torch.optim.Adam([*centres.parameters(), *contexts.parameters()], lr=0.02)
    for _ in range(epochs):
        for batch in pairs[torch.randperm(len(pairs))].split(1024):
            negatives = torch.randint(n_words, (len(batch), n_negatives))
            loss = negative_sampling_loss(
                centres(batch[:, 0]), contexts(batch[:, 1]), contexts(negatives)
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return centres.weight.detach()
    ### END SOLUTION


def perplexity(logits: Tensor, targets: Tensor, padding: int) -> float:
    """Measure how surprised a language model is by the actual tokens.

    The perplexity is the exponential of the mean negative log-likelihood (in nats) over all real
    tokens of the batch: each token counts the same, whether its sentence is long or short.

    Args:
        logits: raw scores of the C possible tokens, without softmax, shape (B, T, C).
        targets: the ids of the actual tokens, int64, shape (B, T).
        padding: the id that fills the steps after the end of a sentence; these do not count.

    Returns:
        The perplexity: 1 for a model that is certain and right, C for one that gives all tokens
        the same probability. A model that is certain and wrong has far more.
    """
    ### BEGIN SOLUTION
    loss = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=padding)
    return loss.exp().item()
    ### END SOLUTION


def corpus_bleu(
    translations: Sequence[Sequence[str]], references: Sequence[Sequence[str]]
) -> float:
    """Compare a corpus of translations with one reference each: BLEU, as `sacrebleu` computes it.

    With n from 1 to 4, over all sentences together:

    p_n = n-grams of the translations that match their references / n-grams of the translations
    penalty = 1 if c > r, otherwise exp(1 - r / c)
    BLEU = 100 * penalty * (p_1 p_2 p_3 p_4) ** (1 / 4)

    An n-gram matches at most as often as it occurs in the reference; c and r are the numbers of
    tokens in all translations and in all references. Nothing is smoothed: BLEU is 0 if a p_n has no
    match, or no n-gram at all.

    Args:
        translations: the tokens of each translated sentence; one may be empty.
        references: the tokens of the reference translation of each sentence.

    Returns:
        BLEU, from 0 to 100.
    """
    ### BEGIN SOLUTION
    matches, totals = [0] * 4, [0] * 4
    for translation, reference in zip(translations, references, strict=True):
        for n in range(1, 5):
            found, wanted = (
                Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))
                for tokens in (translation, reference)
            )
            matches[n - 1] += (found & wanted).total()
            totals[n - 1] += found.total()
    if 0 in matches:
        return 0.0
    c, r = sum(map(len, translations)), sum(map(len, references))
    penalty = 1.0 if c > r else math.exp(1 - r / c)
    logs = [math.log(match / total) for match, total in zip(matches, totals, strict=True)]
    return 100 * penalty * math.exp(sum(logs) / 4)
    ### END SOLUTION


def decode(
    step: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    state: Tensor,
    targets: Tensor,
    start: int,
    ratio: float,
) -> Tensor:
    """Let a decoder generate a batch of sentences, with or without teacher forcing.

    The input of the first step is the token `start`. The input of each later step is the right
    token of the previous step with the probability `ratio`, and otherwise the decoder's own choice
    there, which is the token with the largest logit. A new random decision is made in every step,
    either for the whole batch or for each sentence.

    Args:
        step: the decoder: maps input tokens, int64 (B,), and a state (B, H) to the logits of the
            next tokens (B, C) and the new state (B, H).
        state: the final state of the encoder, shape (B, H).
        targets: the right tokens, int64, shape (B, T).
        start: the id of the token that starts every sentence.
        ratio: 1 always uses the right token (teacher forcing), 0 never.

    Returns:
        The logits of all T steps, shape (B, T, C).
    """
    ### BEGIN SOLUTION
    fed = torch.full_like(targets[:, 0], start)
    outputs = []
    for right in targets.unbind(dim=1):
        logits, state = step(fed, state)
        outputs.append(logits)
        fed = right if torch.rand(()) < ratio else logits.argmax(dim=1)
    return torch.stack(outputs, dim=1)
    ### END SOLUTION


def train_on_text(
    model: nn.Module, optimizer: torch.optim.Optimizer, text: Tensor, chunk: int
) -> list[float]:
    """Train a language model on long texts, chunk by chunk (truncated back-propagation).

    At each character the model predicts the next one. The characters to predict are split into
    chunks of T = `chunk`, in order; the last chunk may be shorter. Each chunk is one step of the
    optimizer on its mean cross-entropy. The model starts a chunk from its state at the end of the
    previous one, but no gradient flows back into that one.

    Args:
        model: maps ids (B, T) and a state, None at the start of the texts, to logits (B, T, C) and
            the new state: a pair (h_n, c_n), like that of `nn.LSTM`.
        optimizer: has the parameters of the model.
        text: the ids of the characters of B texts, int64, shape (B, N), with N at least 2.
        chunk: the maximum number of characters to predict per step of the optimizer.

    Returns:
        The loss of each chunk, computed before its step.
    """
    ### BEGIN SOLUTION
    losses = []
    state = None
    for inputs, targets in zip(
        text[:, :-1].split(chunk, dim=1), text[:, 1:].split(chunk, dim=1), strict=True
    ):
        logits, state = model(inputs, state)
        state = tuple(part.detach() for part in state)
        loss = functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
    ### END SOLUTION
