"""From words to tensors: token vectors, padding, packing, pooling, and batches that fit.

The functions leave their arguments as they are.
"""

import spacy
import torch
from spacy.language import Language
from torch import Tensor, nn
from torch.nn.utils import rnn


def token_vectors(nlp: Language, texts: list[str]) -> list[Tensor]:
    """Compute the vectors of all tokens of several texts, which the pipeline processes together.

    Args:
        nlp: a spaCy pipeline whose component tok2vec computes the vectors; it stays as it is.
        texts: B texts.

    Returns:
        For each text, in the given order, `token.vector` of each of its tokens: shape (tokens, F),
        dtype `torch.float32`; (0, F) for a text without a token.
    """
    ### BEGIN SOLUTION
    return [torch.from_numpy(doc.tensor) for doc in nlp.pipe(texts)]
    ### END SOLUTION


def pad(sentences: list[Tensor]) -> Tensor:
    """Combine sentences of different lengths into one padded tensor.

    Args:
        sentences: B tensors of shape (tokens, F); (0, F) for a sentence without a token.

    Returns:
        Shape (B, T, F), where T is the length of the longest sentence. Row b holds the vectors of
        sentence b from step 0 on, then zeros.
    """
    ### BEGIN SOLUTION
    return rnn.pad_sequence(sentences, batch_first=True)
    ### END SOLUTION


def collate_with_lengths(samples: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Combine samples into a padded batch, and keep the lengths of its sentences.

    A `DataLoader` that is given this function as its `collate_fn` calls it once per batch.

    Args:
        samples: B pairs (sentence, target): token vectors of shape (tokens, F), and the index of a
            class. A sentence without a token has shape (0, F).

    Returns:
        padded: shape (B, T, F), where T is the length of the longest sentence. Row b holds the
            vectors of sentence b from step 0 on, then zeros.
        lengths: the number of tokens of each sentence, shape (B,), dtype `torch.int64`. The last
            token of a sentence counts even if its vector is all zeros.
        targets: the classes, shape (B,), dtype `torch.int64`.
    """
    ### BEGIN SOLUTION
    sentences, targets = zip(*samples, strict=True)
    padded = rnn.pad_sequence(list(sentences), batch_first=True)
    lengths = torch.tensor([len(sentence) for sentence in sentences])
    return padded, lengths, torch.tensor(targets)
    ### END SOLUTION


def pack_sentences(sentences: list[Tensor]) -> tuple[rnn.PackedSequence, Tensor]:
    """Pack sentences of different lengths, so that a recurrent layer reads no padding.

    Args:
        sentences: B tensors of shape (tokens, F) with at least one token each, in any order.

    Returns:
        packed: the sentences; unpacking restores the given order.
        alive: how many sentences have a token at each step, shape (T,), dtype `torch.int64`.
    """
    ### BEGIN SOLUTION
    packed = rnn.pack_sequence(sentences, enforce_sorted=False)
    return packed, packed.batch_sizes
    ### END SOLUTION


def unpack(packed: rnn.PackedSequence) -> list[Tensor]:
    """Unpack sentences.

    Args:
        packed: B sentences, packed sorted or unsorted.

    Returns:
        The sentences in their original order, each with its own length, shape (tokens, F).
    """
    ### BEGIN SOLUTION
    return rnn.unpack_sequence(packed)
    ### END SOLUTION


def sentence_states(lstm: nn.LSTM, sentences: list[Tensor]) -> Tensor:
    """Run an LSTM over each sentence, and return the states after its own last step.

    The LSTM is called once, with all sentences packed, so that it reads no padding.

    Args:
        lstm: a bidirectional `nn.LSTM` with any number of layers.
        sentences: B tensors of shape (tokens, F) with at least one token each, in any order.

    Returns:
        For the last layer, the forward state after the last token of each sentence, then the
        backward state after its first token: shape (B, 2 * H), row b for sentence b.
    """
    ### BEGIN SOLUTION
    _, (h_n, _) = lstm(rnn.pack_sequence(sentences, enforce_sorted=False))
    return torch.cat([h_n[-2], h_n[-1]], dim=1)
    ### END SOLUTION


def masked_mean(outputs: Tensor, lengths: Tensor) -> Tensor:
    """Average the outputs of each sentence over its own steps.

    Args:
        outputs: shape (B, T, 2 * H), for example the outputs of a bidirectional LSTM. After the
            last token of a sentence they can be any finite numbers.
        lengths: the number of tokens of each sentence, from 0 to T, shape (B,), dtype
            `torch.int64`.

    Returns:
        The mean of the first `lengths[b]` steps of each row b, shape (B, 2 * H); zeros for a
        sentence without a token.
    """
    ### BEGIN SOLUTION
    steps = torch.arange(outputs.shape[1], device=outputs.device)
    is_token = steps < lengths[:, None]
    total = (outputs * is_token[:, :, None]).sum(dim=1)
    return total / lengths.clamp(min=1)[:, None]
    ### END SOLUTION


def masked_max(outputs: Tensor, lengths: Tensor) -> Tensor:
    """Take the maximum of each feature over each sentence's own steps.

    Args:
        outputs: as in `masked_mean`.
        lengths: as in `masked_mean`.

    Returns:
        The maximum over the first `lengths[b]` steps of each row b, shape (B, 2 * H); zeros for a
        sentence without a token.
    """
    ### BEGIN SOLUTION
    steps = torch.arange(outputs.shape[1], device=outputs.device)
    is_token = steps < lengths[:, None]
    largest = outputs.masked_fill(~is_token[:, :, None], -torch.inf).amax(dim=1)
    return largest.masked_fill(lengths[:, None] == 0, 0.0)
    ### END SOLUTION


def length_buckets(
    lengths: list[int], batch_size: int, generator: torch.Generator
) -> list[list[int]]:
    """Group sentences of similar length into batches, and shuffle the batches.

    Sorted by length, the sentences are cut into batches of `batch_size`, so that little padding is
    left. The order of these batches is then random: a model should not always read short sentences
    first.

    Args:
        lengths: the number of tokens of each of N sentences.
        batch_size: the number of sentences per batch; one batch can be smaller.
        generator: the only source of randomness. With the same seed, the batches come in the same
            order.

    Returns:
        Batches of indices from 0 to N - 1, each index exactly once; no batch is empty. A
        `DataLoader` accepts them as its `batch_sampler`.
    """
    ### BEGIN SOLUTION
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    return [batches[place] for place in torch.randperm(len(batches), generator=generator).tolist()]
    ### END SOLUTION


def fast_pipeline() -> Language:
    """Load `en_core_web_sm` so that it computes token vectors and nothing else.

    Returns:
        A pipeline that computes the same vectors as `spacy.load("en_core_web_sm")`, bit for bit.
        Each batch of texts goes through tok2vec once, and through no other trained or rule-based
        component of the model.
    """
    ### BEGIN SOLUTION
    unused = ["tagger", "parser", "attribute_ruler", "lemmatizer", "ner"]
    return spacy.load("en_core_web_sm", exclude=unused)
    ### END SOLUTION


def sentence_lengths(padded: Tensor) -> Tensor:
    """Compute the lengths of the sentences in a padded batch.

    A sentence ends with its last step that is not all zeros. All steps before that one belong to
    the sentence, even a token whose vector is all zeros; only at the end can such a token not be
    distinguished from padding.

    Args:
        padded: shape (B, T, F), with zeros after the last token of each sentence.

    Returns:
        The number of steps of each sentence, shape (B,), dtype `torch.int64`; 0 if all steps are
        zeros.
    """
    ### BEGIN SOLUTION
    steps = torch.arange(1, padded.shape[1] + 1, device=padded.device)
    is_filled = (padded != 0).any(dim=2)
    return (is_filled * steps).amax(dim=1)
    ### END SOLUTION
