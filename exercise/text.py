"""From words to tensors: token vectors, padding and packing, and a pipeline that is fast."""

import spacy
import torch
from spacy.language import Language
from torch import Tensor, nn
from torch.nn.utils import rnn


def token_vectors(nlp: Language, texts: list[str]) -> list[Tensor]:
    """Compute the vectors of all tokens of some texts, which go through the pipeline together.

    Args:
        nlp: a spaCy pipeline whose component tok2vec makes the vectors.
        texts: B texts.

    Returns:
        For each text, in the order given, `token.vector` of each of its tokens: shape (tokens, F),
        dtype `torch.float32`. A text without a token gives shape (0, F).
    """
    raise NotImplementedError("Task token_vectors: write token_vectors in exercise/text.py")


def pad(sentences: list[Tensor]) -> Tensor:
    """Make one box of sentences of different lengths.

    Args:
        sentences: B tensors of shape (tokens, F); a sentence may have no token, shape (0, F).

    Returns:
        Shape (B, T, F), T the length of the longest sentence. Row b holds the vectors of sentence b
        from step 0 on, and zeros behind them.
    """
    raise NotImplementedError("Task pad: write pad in exercise/text.py")


def sentence_lengths(padded: Tensor) -> Tensor:
    """Find out from a padded batch how long its sentences are.

    A sentence ends with its last step that is not all zeros. What stands before that step belongs
    to it, also a token in its middle whose vector is all zeros: only behind the last token nobody
    can tell such a token from padding.

    Args:
        padded: shape (B, T, F), with zeros behind the last token of each sentence.

    Returns:
        The number of steps of each sentence, shape (B,), dtype `torch.int64`; 0 where all steps are
        zeros.
    """
    raise NotImplementedError("Task sentence_lengths: write sentence_lengths in exercise/text.py")


def pack_sentences(sentences: list[Tensor]) -> tuple[rnn.PackedSequence, Tensor]:
    """Pack sentences of different lengths, so that a recurrent layer reads no padding.

    Args:
        sentences: B tensors of shape (tokens, F) with at least one token each, in any order.

    Returns:
        packed: the sentences; unpacked again, they come in the order given.
        alive: at each step, how many sentences have a token there, shape (T,), dtype `torch.int64`.
    """
    raise NotImplementedError("Task pack_sentences: write pack_sentences in exercise/text.py")


def unpack(packed: rnn.PackedSequence) -> list[Tensor]:
    """Undo a packing.

    Args:
        packed: B sentences, packed sorted or unsorted.

    Returns:
        The sentences in the order in which they were given to the packing, each of its own length,
        shape (tokens, F).
    """
    raise NotImplementedError("Task unpack: write unpack in exercise/text.py")


def sentence_states(lstm: nn.LSTM, sentences: list[Tensor]) -> Tensor:
    """Read each sentence with an LSTM, and return the states after its own last step.

    The LSTM is called once, on all sentences packed, so that it reads no padding.

    Args:
        lstm: a bidirectional `nn.LSTM` with any number of layers.
        sentences: B tensors of shape (tokens, F) with at least one token each, in any order.

    Returns:
        Of the last layer, the forward state after the last token of each sentence, and behind it
        the backward state after its first token: shape (B, 2 * H), row b for sentence b.
    """
    raise NotImplementedError("Task sentence_states: write sentence_states in exercise/text.py")


def fast_pipeline() -> Language:
    """Load `en_core_web_sm` in such a way that it makes token vectors and nothing else.

    Returns:
        A pipeline that gives the same vectors as `spacy.load("en_core_web_sm")`, bit for bit. Each
        batch of texts goes through tok2vec once, and through no other trained or rule-based
        component of the model.
    """
    raise NotImplementedError("Task fast_pipeline: write fast_pipeline in exercise/text.py")
