# %% [markdown]
# # Recurrent layers
#
# A recurrent layer reads a sequence step by step and keeps a *hidden state*, H numbers that
# summarise what it has read so far. In PyTorch that is one line, `nn.LSTM(...)`. Here you write such
# layers yourself, from their formulas, and take apart what they return. Afterwards nothing in them
# is magic.
#
# Our sequences are sentences, and each step is one *token*, a word or a punctuation mark, as a vector
# of F numbers. Nothing below depends on that: what a weather station reports, 3 numbers every hour, is
# a sequence with F = 3, and so are the frames of a video, sound, heartbeats or prices, each with an F
# of its own.
#
# **After this lesson you can**
#
# - write the cells of an RNN, an LSTM and a GRU from their formulas, and say what each gate does;
# - find any layer's and direction's state in what `nn.RNN`, `nn.LSTM` and `nn.GRU` return;
# - say why long distances are hard to learn, what helps, and show it in an experiment;
# - decide when to use several layers, both directions, and the state of an earlier run.
#
# **You should know** tensors, matrix products and `nn.Linear`; how gradients train a network
# (`loss.backward()`, an optimizer). Where the vectors come from is in the lesson *Words to tensors*;
# you can do the two in any order. The [glossary](docs/glossary.md) explains the terms.
#
# | part | what you write | difficulty | minutes | points |
# |---|---|---|---|---|
# | 1 | `rnn_cell`: one step of the simplest recurrent layer | easy | 20 | {points:rnn_cell} |
# | 2 | `unroll`: a cell over all steps of a batch | easy | 20 | {points:unroll} |
# | 3 | `last_state`: the last layer in `h_n` | easy | 20 | {points:last_state} |
# | 3 | `sum_directions`, `join_directions`: the two directions in `outputs` | medium | 30 | {points:directions} |
# | 4 | `lstm_cell`: one step of an LSTM | medium | 40 | {points:lstm_cell} |
# | 5 | nothing: experiments on how far back a layer can learn | | 40 | - |
# | 6 | `gru_cell`: one step of a GRU | medium | 25 | {points:gru_cell} |
# | 7 | `carry_state`: a long sequence in chunks | medium | 25 | {points:carry_state} |
# | | all parts | | 220 | {points} |
# | | three questions, on top, to answer in your own words | | 30 | {points:questions} |
# | | predictions, on top: guess first, right or wrong | | | {points:predictions} |
#
# **How to work.** Run the cells from top to bottom (Shift + Enter). Where you see `raise
# NotImplementedError(...)`, replace it with your own code. The cell that starts with `check(` tells
# you what is right and what is not; run it as often as you like. Each task is graded independently
# of the others; only the cells marked *Try it* use functions from earlier parts. You may add cells
# and helper functions. Keep the names of the functions, and do not change the cells that check. If
# a cell needs a part that is not written yet, one line says which; if it stops with `NameError`, a
# cell further up has not run yet. Leave the arguments of your functions as they are: whoever calls them
# still needs them.
#
# **Predict, then run.** Some cells ask for a guess before you run the next one: replace the `...` in
# `predict("...", ...)` by a shape, a number or a word in quotes. You learn most from the guesses that are
# wrong, and they cost nothing.

# %% [markdown]
# ## Shapes
#
# These letters mean the same everywhere, in the text, in the docstrings and in what `check` says:
#
# | letter | meaning |
# |---|---|
# | B | batch size (number of sentences) |
# | T | time steps (tokens) of a sentence; in a batch all sentences have the same number |
# | F | features of one token vector |
# | H | hidden size: how many numbers the hidden state of one direction has |
# | L | layers |
# | D | directions (1 or 2) |

# %% setup=true

# %% imports=true

# %%
import math
import random
import time

import news
from grader import plots
from grader.notebook import check, predict

# %% [markdown]
# ## 1. One step
#
# Why not simply add up the vectors of a sentence and use `nn.Linear`? Because "dog bites man" and
# "man bites dog" have the same sum. A recurrent layer is the smallest step from there to a network
# that knows about order.
#
# A *cell* does one step. It takes the vectors of one token of each sentence, `inputs` (B, F), and the
# hidden state that each sentence has reached, `state` (B, H). It gives the new hidden state, (B, H):
#
# $$h' = \tanh(x\,W_{ih}^T + b_{ih} + h\,W_{hh}^T + b_{hh})$$

# %%
plots.rnn_cell()

# %% [markdown]
# $x$ is what is read now, $h$ is what is remembered. Each goes through a matrix of its own; tanh
# squeezes the sum into the range from -1 to 1. Two things to know about PyTorch's weights: $W_{ih}$
# has shape (H, F), one row for each number of the new state, so it has to be transposed (`w_ih.T`);
# and there are two biases, although one would do.

# %% definition="rnn_cell.rnn_cell"

# %% check="rnn_cell"
check("rnn_cell", rnn_cell)

# %% [markdown]
# **Try it.** With the weights of torch's own cell, yours gives the same numbers, up to rounding.
#
# Many books write the same cell with *one* matrix, $h' = \tanh([x; h]\,W^T + b)$, where $[x; h]$ is
# $x$ and $h$ side by side, (B, F + H). It is the same function: $W$ is $W_{ih}$ and $W_{hh}$ side by
# side, (H, F + H), and $b$ is the sum of both biases.

# %%
torch.manual_seed(0)
cell = nn.RNNCell(input_size=5, hidden_size=4)
for name, weights in cell.named_parameters():
    print(f"{name:9} {tuple(weights.shape)}")
inputs, state = torch.randn(3, 5), torch.zeros(3, 4)
own = rnn_cell(inputs, state, cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)
print("yours and torch's differ by", (own - cell(inputs, state)).abs().max().item())

both = torch.cat([inputs, state], dim=1)
matrix = torch.cat([cell.weight_ih, cell.weight_hh], dim=1)
side_by_side = torch.tanh(both @ matrix.T + (cell.bias_ih + cell.bias_hh))
print("one matrix and two differ by", (side_by_side - cell(inputs, state)).abs().max().item())

# %% [markdown]
# > **You may read elsewhere** that a recurrent cell "is a Linear layer". It has a Linear layer in it,
# > over $[x; h]$; the tanh belongs to it as well. Without the tanh, T steps would be one linear
# > function of the inputs: a weighted sum, however many steps there are.

# %% [markdown]
# ## 2. Step by step
#
# A *layer* runs its cell over the sentence. Each step starts from the state that the previous step
# returned, and every step uses the same weights. Drawn side by side, the steps look like a long
# network; that is called *unrolling*:

# %%
plots.unrolled()

# %% [markdown]
# PyTorch's layers return two things, and the picture shows both:
#
# - `outputs`, the states after *every* step. They are for whatever needs an answer per token, such
#   as finding names in a text, and for *attention*, which looks back at all of them.
# - `h_n`, the state after the *last* step. It is the summary of the whole sentence, for a classifier
#   or for a *decoder*, a second network that goes on from there and writes, as in translation
#   (*seq2seq*).
#
# They are the same numbers: in a layer with one direction, the last of the outputs *is* the last
# state. The state before the first token, $h_0$, is zeros unless you pass another one.
#
# Below, `cell` is any function that maps the vectors of one step and a state to the new state.

# %% definition="unroll.unroll"

# %% check="unroll"
check("unroll", unroll)

# %% [markdown]
# **Try it.** Your two functions together are an `nn.RNN`. (`nn.RNN` returns `h_n` with one more
# dimension, for its layers; `h_n[0]` is the only one here. In the names of its weights, `l0` is the
# first layer: PyTorch counts from 0.)

# %%
rnn = nn.RNN(input_size=5, hidden_size=4, batch_first=True)
weights = rnn.weight_ih_l0, rnn.weight_hh_l0, rnn.bias_ih_l0, rnn.bias_hh_l0
inputs = torch.randn(3, 6, 5)  # (B, T, F)
zeros = torch.zeros(3, 4)
outputs, h_n = rnn(inputs)
own, last = unroll(lambda x, h: rnn_cell(x, h, *weights), inputs, zeros)
print("outputs differ by", (own - outputs).abs().max().item())
print("h_n differs by", (last - h_n[0]).abs().max().item())
print("the last output is the last state:", torch.equal(outputs[:, -1], h_n[0]))
print("leaving h_0 out means zeros:", torch.equal(rnn(inputs, zeros.unsqueeze(0))[0], outputs))
for batch, steps in ((1, 2), (7, 40)):  # no weight knows B or T: both can differ in every call
    outputs, _ = rnn(torch.randn(batch, steps, 5))
    print(f"B = {batch}, T = {steps}: outputs {tuple(outputs.shape)}")

# %% [markdown]
# **`batch_first`.** Without it, PyTorch's layers want the time in front: inputs and outputs are
# (T, B, F) and (T, B, H). With `batch_first=True` they are (B, T, F) and (B, T, H).
#
# **Predict.** What is the shape of `h_n`, if a layer with `batch_first=True` and a hidden size of 4
# reads 3 sentences of 6 tokens? Replace the dots, as in `(1, 2, 3)`, and run the cell.

# %% predict=true
predict(
    "batch-first-h-n",
    answer=(1, 3, 4),
    computed=h_n.shape,
    hint="`batch_first` says where the batch is in the inputs and the outputs. Is h_n one of them?",
)

# %%
for batch_first in (False, True):
    layer = nn.RNN(input_size=5, hidden_size=4, batch_first=batch_first)
    outputs, h_n = layer(torch.randn(3, 6, 5) if batch_first else torch.randn(6, 3, 5))
    print(f"batch_first={batch_first}: outputs {tuple(outputs.shape)}, h_n {tuple(h_n.shape)}")

# %% [markdown]
# > **You may read elsewhere** that with `batch_first=True` the batch comes first in `h_n`, too. The
# > cell above shows that it does not: the batch of `h_n` stays the *second* dimension.
# >
# > **You may also read** that `outputs` are "without activation", and that the tanh is applied only
# > where a state is passed on. There is one set of numbers: the outputs of `nn.RNN` have been through
# > the tanh already. *Try it* above has shown that the last output equals the last state.
#
# A classifier of sentences needs one answer per sentence. It takes the last state and adds a Linear
# layer with one score per class:

# %%
plots.classifier()

# %% [markdown]
# Read more: [nn.RNN](https://docs.pytorch.org/docs/stable/generated/torch.nn.RNN.html) and
# [nn.RNNCell](https://docs.pytorch.org/docs/stable/generated/torch.nn.RNNCell.html) in PyTorch's
# documentation; [Recurrent neural networks](https://d2l.ai/chapter_recurrent-neural-networks/rnn.html)
# in *Dive into Deep Learning*. The simple recurrent network is from J. Elman, *Finding Structure in
# Time* (1990).

# %% [markdown]
# ## 3. Several layers and directions
#
# Two things make a recurrent layer stronger. A second layer reads the outputs of the first one as
# if they were token vectors. And a *bidirectional* layer has two cells with weights of their own: one
# reads from left to right, the other one from right to left, so that a token's output also knows what
# comes after it. Each token then has 2 * H numbers, and that is what the second layer reads, in both
# of its directions.
#
# Now there are L * D last states, and `h_n` holds them all, layer by layer, in each layer forward
# first. Its shape is (L * D, B, H):

# %%
plots.last_states()

# %% [markdown]
# A program mostly needs the last layer: one row per direction. On the right is what the *News
# classifier* makes of them: both states side by side, a ReLU and a Linear layer. (The picture shows
# L = 2 and D = 2. Your function has to be right for any L, and for D = 1.)

# %% definition="last_state.last_state"

# %% check="last_state"
check("last_state", last_state)

# %% [markdown]
# `outputs` shows the last layer only, but all of its steps. With two directions it has shape
# (B, T, 2 * H): at each step the forward state, followed by the backward state *of the same token*.
# In the picture, with four tokens:
#
# ```
#                t = 1      t = 2      t = 3      t = 4
# outputs[:, t]  [f1, b1]   [f2, b2]   [f3, b3]   [f4, b4]
#
# f4  has read the whole sentence      b4  has read the last token only
# f1  has read the first token only    b1  has read the whole sentence
# ```
#
# There are two ways to go on from there. If each token needs an answer, one often adds the directions
# up, so that there are H numbers per token instead of 2 * H. If the sentence needs one answer, one
# takes the two states that have read everything. Those are not side by side.

# %% definition="directions.sum_directions"

# %% definition="directions.join_directions"

# %% check="directions"
check("directions", sum_directions, join_directions)

# %% [markdown]
# **Predict.** A bidirectional `nn.RNN` with F = 5 and H = 4 has two layers. What is the shape of the
# second layer's matrix for its inputs, `weight_ih_l1`? (The first layer's, `weight_ih_l0`, is (4, 5).)

# %% predict=true
predict(
    "layer-2-weights",
    answer=(4, 8),
    computed=stacked.weight_ih_l1.shape,
    hint="Look at the arrows into layer 2 in the picture: how many numbers does a token have there?",
)

# %%
stacked = nn.RNN(5, 4, num_layers=2, bidirectional=True, batch_first=True)
for name, weights in stacked.named_parameters():
    print(f"{name:21} {tuple(weights.shape)}")

# %% [markdown]
# **Try it.** Two ways to the same states: out of `h_n`, and out of `outputs`.

# %%
outputs, h_n = stacked(torch.randn(3, 6, 5))
forward, backward = last_state(h_n, num_layers=2, num_directions=2)
joined = torch.cat([forward, backward], dim=1)
print("the same states:", torch.equal(join_directions(outputs), joined))

# %% [markdown]
# **What the second direction sees.** In "apple fell on Wall Street" the first word is a company, in
# "apple fell off the tree" a fruit. Only the words to its *right* tell.
#
# **Predict.** A bidirectional layer reads both texts. Which half of the output at "apple" differs
# between them: `"forward"`, `"backward"` or `"both"`?

# %% predict=true
predict(
    "right-context",
    answer="backward",
    computed=" ".join(name for name, same in equal.items() if not same),
    choices=("forward", "backward", "both"),
    hint="Which of the two has read nothing but the word itself when it gets to the first word?",
)

# %%
texts = [text.split() for text in ("apple fell on Wall Street", "apple fell off the tree")]
torch.manual_seed(0)
vectors = {word: torch.randn(5) for text in texts for word in text}
inputs = torch.stack([torch.stack([vectors[word] for word in text]) for text in texts])
layer = nn.RNN(5, 4, bidirectional=True, batch_first=True)
street, tree = layer(inputs)[0]  # (T, 2 * H) each
equal = {
    "forward": torch.allclose(street[0, :4], tree[0, :4]),
    "backward": torch.allclose(street[0, 4:], tree[0, 4:]),
}
print("the output at 'apple' is the same in both texts:", equal)

# %% [markdown]
# **What more layers and directions cost.** For the sizes of the news classifier (F = 96, H = 64), and
# a batch of 32 texts of 40 tokens:

# %%
batch = torch.randn(32, 40, 96)
print("layers  directions  weights  milliseconds")
for layers in (1, 2):
    for both_ways in (False, True):
        layer = nn.LSTM(96, 64, layers, bidirectional=both_ways, batch_first=True)
        with torch.no_grad():
            layer(batch)  # the first call is slower
            start = time.perf_counter()
            for _ in range(3):
                layer(batch)
        took = (time.perf_counter() - start) / 3
        count = sum(weights.numel() for weights in layer.parameters())
        print(f"{layers:6} {1 + both_ways:11} {count:8,} {1000 * took:13.1f}")

# %% [markdown]
# | | for | against |
# |---|---|---|
# | a second direction | each token knows its left *and* its right context; two last states | twice the weights and time; it can only start when the whole sentence is there, so not for streams and not for writing text word by word |
# | more layers | later layers combine what earlier ones have found; helps on hard problems with much data | more weights and time; easier to overfit with few data; harder to train |
#
# `num_layers=2` does more than two layers in a row, which you could write yourself: it is one call,
# `dropout=0.2` then works between the layers, and `h_n` holds the last state of *every* layer, for
# programs that want more than the last.
#
# > **You may read elsewhere** that a second direction cures vanishing gradients (part 5). It does not
# > change what happens along one direction. For the first words of a text, though, the backward
# > direction's way to its last state is short.
#
# Read more: [Bidirectional](https://d2l.ai/chapter_recurrent-modern/bi-rnn.html) and
# [deep recurrent networks](https://d2l.ai/chapter_recurrent-modern/deep-rnn.html) in *Dive into Deep
# Learning*; M. Schuster and K. Paliwal, *Bidirectional Recurrent Neural Networks* (1997).

# %% [markdown]
# **And padding?** In a padded batch the last steps of a short sentence are padding, and a layer keeps
# reading over it: its state changes at every padded step. `pack_padded_sequence` takes a padded batch
# with the lengths and keeps the tokens only, sorted by time step, with the number of sentences that
# are left at each step (`batch_sizes`). So each sentence ends at its own last token, and so does its
# row of `h_n`:

# %%
torch.manual_seed(0)
lengths = torch.tensor([5, 3])
padded = torch.randn(2, 5, 5)
padded[1, 3:] = 0
packed = nn.utils.rnn.pack_padded_sequence(padded, lengths, batch_first=True)
print("packed: data", tuple(packed.data.shape), "batch_sizes", packed.batch_sizes.tolist())
lstm = nn.LSTM(5, 4, batch_first=True)
_, (alone, _) = lstm(padded[1:, :3])  # the short sentence, without padding
_, (from_padded, _) = lstm(padded)
_, (from_packed, _) = lstm(packed)
print("last state, padded, is off by", (from_padded[0, 1] - alone[0, 0]).abs().max().item())
print("last state, packed, is off by", (from_packed[0, 1] - alone[0, 0]).abs().max().item())

# %% [markdown]
# > **You may read elsewhere** that packing "pads with zero tokens". It is the other way round: 8 token
# > vectors went in, and 8 are in `packed.data`, without any padding. The lesson *Words to tensors*
# > explains packing in full.

# %% [markdown]
# ### Question 1
#
# Three programs use a recurrent layer over text. One finds the names of companies in finished
# articles, one suggests the next word while you type, one shows captions while somebody speaks, with
# a delay of at most a second. In which of them can the layer be bidirectional, and why? What does the
# second direction cost? (three to five sentences)

# %% [markdown] question="both-ways" points=5
# *A full answer says:* for the names yes: the whole article is there, and what follows a word helps
# to decide ("apple fell on Wall Street"). For the next word no: what comes after it does not exist
# yet; in training a backward direction would read the very word that it should predict, so the loss
# would be low and the program useless. For the captions not over the whole speech, because the
# backward direction starts at the end, which has not been spoken; within the second of delay it is
# possible (a small chunk, read both ways), at the cost of that delay. The second direction doubles
# the weights and the time of the layer, and the layer can only start when the sequence is complete.
#
# *Marks:* 1 names: yes, 1 because the words to the right help, 1 next word: no, with the reason,
# 1 captions: no, or only within the delay, 1 the cost (twice the weights or time, or the wait for the
# end).

# %% [markdown]
# ## 4. The LSTM
#
# > The **results** of the trial that the company began last spring with four hundred patients in three
# > countries **were** disappointing.
#
# To write "were" and not "was", a network has to remember "results" over the words in between. In the
# plain cell each step sends the whole state through a matrix and a tanh: nothing is simply *kept*.
# Part 5 shows what that means for learning.
#
# An LSTM (*long short-term memory*) has a second state, the *cell state* $c$. It is like a notepad: at
# each step the cell can erase some of it, write something new, and show some of it. Three *gates* say
# how much. A gate is H numbers from 0 to 1, computed at each step from what is read ($x$) and the
# hidden state ($h$), and squeezed into that range by a sigmoid, $\sigma(s) = 1 / (1 + e^{-s})$:

# %%
plots.lstm_cell("forget")

# %% [markdown]
# The *forget gate* $f$ multiplies the cell state: where it is 1, the number is kept as it is; where it
# is 0, it is erased. (The name is misleading: $f = 1$ means "remember".)

# %%
plots.lstm_cell("input")

# %% [markdown]
# The *candidate* $g$ holds new numbers, from -1 to 1. The *input gate* $i$ says how much of each is added.
# The line from $c$ to $c'$ has no matrix and no tanh: a product and a sum, number by number. If you
# know ResNets: it is a shortcut like theirs, with a gate on it.

# %%
plots.lstm_cell("output")

# %% [markdown]
# The *output gate* $o$ says how much of the cell state is shown as hidden state $h'$. The rest stays
# in $c'$, for later. All together:

# %%
plots.lstm_cell("all")

# %% [markdown]
# In formulas, number by number:
#
# $$c' = f \cdot c + i \cdot g \qquad\qquad h' = o \cdot \tanh(c')$$
#
# All four parts come from the same kind of sum as in part 1, each with rows of its own:
#
# $$i = \sigma(x W_{ii}^T + b_{ii} + h W_{hi}^T + b_{hi}) \qquad
#   f = \sigma(x W_{if}^T + b_{if} + h W_{hf}^T + b_{hf})$$
# $$g = \tanh(x W_{ig}^T + b_{ig} + h W_{hg}^T + b_{hg}) \qquad
#   o = \sigma(x W_{io}^T + b_{io} + h W_{ho}^T + b_{ho})$$
#
# PyTorch stacks them in the order i, f, g, o: $W_{ih}$, called `w_ih`, is $W_{ii}$, $W_{if}$, $W_{ig}$
# and $W_{io}$ on top of each other, with shape (4 * H, F). In the same way `w_hh` has shape
# (4 * H, H), and each bias (4 * H,).

# %% definition="lstm_cell.lstm_cell"

# %% check="lstm_cell"
check("lstm_cell", lstm_cell)

# %% [markdown]
# **Try it: one unit, by hand.** With H = 1 every gate is one number. All weights are 0 here, so only
# the biases decide: sigmoid(20) is 1, sigmoid(-20) is 0.

# %%
OPEN, SHUT = 20.0, -20.0


def one_step(c, i, f, g, o):
    """Return the new h and c of a unit whose gates are set by the biases i, f, g and o."""
    weights, biases = torch.zeros(4, 1), torch.tensor([i, f, g, o])
    state = torch.zeros(1, 1), torch.tensor([[c]])
    h, c = lstm_cell(torch.zeros(1, 1), state, weights, weights, biases, torch.zeros(4))
    return h.item(), c.item()


print("c was 0.80                        c'      h'")
for what, (i, f, g, o) in {
    "keep:       f = 1, i = 0": (SHUT, OPEN, 0.5, OPEN),
    "erase:      f = 0, i = 0": (SHUT, SHUT, 0.5, OPEN),
    "overwrite:  f = 0, i = 1": (OPEN, SHUT, 0.5, OPEN),
    "add:        f = 1, i = 1": (OPEN, OPEN, 0.5, OPEN),
    "keep, hide: f = 1, i = 0, o = 0": (SHUT, OPEN, 0.5, SHUT),
}.items():
    h, c = one_step(0.8, i, f, g, o)
    print(f"{what:32} {c:5.2f}   {h:5.2f}")

# %% [markdown]
# **Predict.** A gate is rarely exactly 1. If the forget gate is 0.9 at every step, and nothing is
# added, how much is left of a number in the cell state after 20 steps? (one decimal)

# %% predict=true
predict(
    "forget-nine-tenths",
    answer=0.1,
    computed=0.9**20,
    decimals=1,
    hint="Each step multiplies by 0.9. After two steps 0.81 is left, after seven about a half.",
)

# %%
print("forget gate   left after 20 steps   after 200 steps")
for f in (0.5, 0.9, 0.98, 0.999):
    print(f"{f:11} {f**20:21.3f} {f**200:17.3f}")

# %% [markdown]
# **Try it: watch the gates.** An LSTM with H = 3 units learns, letter by letter, whether it is inside
# brackets. Then *your* `lstm_cell` reads a headline with the weights it has learned. (The forget gate
# is found by asking your cell twice: with $c = 1$ and with $c = 0$ everywhere, the new cell states
# differ by $f$.)

# %%
LETTERS = "abcdefghijklmnopqrstuvwxyz ,.-()"


def random_text(length=40):
    """Return random letters with some brackets, and for each letter whether it is inside of one."""
    text, inside = "", []
    for _ in range(length):
        within = bool(inside) and inside[-1]
        letter = (")" if within else "(") if random.random() < 0.07 else random.choice(LETTERS[:-2])
        text += letter
        inside.append(letter == "(" or (within and letter != ")"))
    return text, inside


def one_hot(text):
    """Return a vector per letter, shape (T, 32): 1 at the letter, 0 elsewhere."""
    return torch.eye(len(LETTERS))[[LETTERS.index(letter) for letter in text]]


random.seed(0)
torch.manual_seed(0)
lstm, linear = nn.LSTM(len(LETTERS), 3, batch_first=True), nn.Linear(3, 1)
optimizer = torch.optim.Adam([*lstm.parameters(), *linear.parameters()], lr=0.03)
for _ in range(200):
    texts, targets = zip(*(random_text() for _ in range(32)), strict=True)
    scores = linear(lstm(torch.stack([one_hot(text) for text in texts]))[0]).squeeze(2)
    targets = torch.tensor(targets)
    loss = nn.functional.binary_cross_entropy_with_logits(scores, targets.float())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"right for {((scores > 0) == targets).float().mean():.1%} of the letters in the last batch")

# %%
headline = "new york (reuters) - oil prices fall again"
weights = lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0, lstm.bias_hh_l0
h, c = torch.zeros(1, 3), torch.zeros(1, 3)
forget, written, shown, cell_state = [], [], [], []
with torch.no_grad():
    for x in one_hot(headline).split(1):
        _, from_one = lstm_cell(x, (h, torch.ones(1, 3)), *weights)
        _, from_zero = lstm_cell(x, (h, torch.zeros(1, 3)), *weights)
        h, c = lstm_cell(x, (h, c), *weights)
        forget.append((from_one - from_zero).clamp(0, 1))
        written.append(from_zero)
        shown.append((h / torch.tanh(c)).clamp(0, 1))
        cell_state.append(c)
plots.gates(
    headline,
    {
        "forget gate f: how much stays": torch.cat(forget),
        "i * g: what is written": torch.cat(written),
        "output gate o: how much is shown": torch.cat(shown),
        "cell state c": torch.cat(cell_state),
    },
)

# %% [markdown]
# Look at the columns of the two brackets: most forget gates nearly close there (pale), so the old
# content is erased, and something of the opposite sign is written. From then on the cell state keeps
# its sign, until the next bracket. Nobody has told the network to do this; it is what lowered the
# loss. Not every unit is this easy to read, and in a large network few are.
#
# Read more: [nn.LSTM](https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html);
# [Long short-term memory](https://d2l.ai/chapter_recurrent-modern/lstm.html) in *Dive into Deep
# Learning*; C. Olah, *Understanding LSTM Networks*. The LSTM is from S. Hochreiter and
# J. Schmidhuber, *Long Short-Term Memory* (1997); the forget gate was added by F. Gers,
# J. Schmidhuber and F. Cummins, *Learning to Forget* (2000). What happens without each of the gates:
# [LSTM: A Search Space Odyssey](https://arxiv.org/abs/1503.04069).

# %% [markdown]
# ## 5. How far back can a layer learn?
#
# To learn that an early word matters, a gradient has to get from the last state back to that word. By
# the chain rule it is multiplied at every step in between. For the plain cell, one step contributes
# the matrix of the derivatives of $h_k$ with respect to $h_{k-1}$, its *Jacobian*:
#
# $$\frac{\partial h_k}{\partial h_{k-1}} = \mathrm{diag}(1 - h_k^2)\, W_{hh}
#   \qquad\qquad
#   \frac{\partial h_T}{\partial h_t} = \prod_{k=T}^{t+1} \mathrm{diag}(1 - h_k^2)\, W_{hh}$$
#
# $1 - h_k^2$ is the slope of tanh, at most 1. So going back over T - t steps is a product of T - t
# matrices. If they shrink vectors on average, the product goes to zero exponentially: the gradient
# *vanishes*. If they stretch them, it grows exponentially: it *explodes*. The cell below computes the
# product, and compares it with what autograd gets through *your* `rnn_cell`:

# %%
torch.manual_seed(0)
weights = tuple(nn.RNNCell(16, 32).double().parameters())
tokens = torch.randn(21, 1, 16).double()
start = torch.zeros(1, 32).double()


def run(state, steps):
    """Return the state after some steps of your cell."""
    for token in tokens[:steps]:
        state = rnn_cell(token, state, *weights)
    return state


product = torch.eye(32).double()
for step in range(1, 21):
    h = run(start, step).detach()
    product = torch.diag(1 - h[0] ** 2) @ weights[1].detach() @ product
    if step in (1, 2, 5, 10, 20):
        print(f"norm of the product over {step:2} steps: {product.norm():.7f}")
of_autograd = torch.autograd.functional.jacobian(lambda h: run(h, 20), start)[0, :, 0]
print(f"it differs from autograd's by {(product - of_autograd).abs().max().item():.0e}")

# %% [markdown]
# ### Initialisation or architecture?
#
# How fast gradients vanish depends on two things that are easily confused. The *architecture*: which
# operations lie on the way back. And the *initialisation*: the numbers that the weights start with.
#
# - PyTorch draws the weights of a recurrent layer uniformly between $-1/\sqrt{H}$ and $1/\sqrt{H}$.
#   Such a $W_{hh}$ has a largest eigenvalue of about $1/\sqrt{3} = 0.58$: multiplied by it again and
#   again, a vector keeps at most about 0.58 of its length per step, before tanh does anything.
# - An *orthogonal* $W_{hh}$ neither shrinks nor stretches any vector. Then only tanh shrinks.
# - In an LSTM the way back through $c$ is a product of forget gates. With PyTorch's start they are
#   about sigmoid(0) = 0.5, so half of the gradient is lost at each step. With a bias of 3 at the
#   forget gate they are about sigmoid(3) = 0.95. (Keras starts its LSTMs with a forget bias of 1 and
#   an orthogonal $W_{hh}$; PyTorch does neither.)
#
# The next cell makes five layers, all fresh, none of them trained. It takes the last output and asks
# for its gradient with respect to each of the inputs. The norm of that gradient says how much the
# input could move the output.

# %%
F, H = 8, 32


def make(kind, orthogonal=False, forget_bias=None):
    """Return a new layer: nn.RNN, nn.GRU or nn.LSTM."""
    layer = kind(F, H, batch_first=True)
    with torch.no_grad():
        if orthogonal:
            nn.init.orthogonal_(layer.weight_hh_l0)
        if forget_bias is not None:
            layer.bias_ih_l0[H : 2 * H] = forget_bias  # i, f, g, o: the second part
    return layer


def gradient_norms(layer, steps=61):
    """Return the norm of the last output's gradient with respect to each input, shape (T,)."""
    torch.manual_seed(1)
    inputs = torch.randn(1, steps, F, dtype=torch.float64, requires_grad=True)
    layer.double()(inputs)[0][0, -1].sum().backward()
    return inputs.grad[0].norm(dim=1)


def factor(norms):
    """Return what one step back multiplies the gradient by, on average over 40 steps."""
    return ((norms[10] / norms[50]) ** (1 / 40)).item()


KINDS = {
    "RNN": lambda: make(nn.RNN),
    "RNN, orthogonal start": lambda: make(nn.RNN, orthogonal=True),
    "GRU": lambda: make(nn.GRU),
    "LSTM": lambda: make(nn.LSTM),
    "LSTM, forget bias 3": lambda: make(nn.LSTM, forget_bias=3),
}
torch.manual_seed(0)
norms = {name: gradient_norms(new()) for name, new in KINDS.items()}
words = [len(text.split()) for _, text in news.sample("train")]
plots.gradients(norms, tokens=sum(words) / len(words))
for name, values in norms.items():
    print(f"{name:22} a factor of {factor(values):.2f} per step")
eigenvalues = torch.linalg.eigvals(make(nn.RNN).weight_hh_l0)
print(f"largest eigenvalue of W_hh as PyTorch draws it: {eigenvalues.abs().max():.2f}")
sentence = "The results of the trial that the company began last spring with four hundred patients"
sentence = (sentence + " in three countries were disappointing").split()
distance = sentence.index("were") - sentence.index("results")
print(
    f"'results' ... 'were', {distance} words: {factor(norms['RNN']) ** distance:.6f} is left (RNN)"
)

# %% [markdown]
# The scale is logarithmic, so a straight line is the same factor at every step. As PyTorch starts
# them, *all three kinds* vanish, the LSTM and the GRU only a little less steeply than the RNN. One
# number in the initialisation makes the LSTM's line level; a different start also helps the RNN a
# lot. What is special about the LSTM's architecture is that its factor can *stay* near 1 while the
# gates still react to each token: the forget gate is learned. The RNN has no such switch.
#
# Is the factor just the forget gate? Compare:

# %%
print("forget bias   sigmoid(bias)   factor per step")
for bias in range(6):
    torch.manual_seed(0)
    measured = factor(gradient_norms(make(nn.LSTM, forget_bias=bias)))
    print(f"{bias:11} {torch.sigmoid(torch.tensor(float(bias))).item():15.2f} {measured:17.2f}")

# %% [markdown]
# No: it comes out clearly larger, with a large bias even above 1, because there is a second way back,
# through $h$ and the gates. The way through $c$ is the part that does not vanish; the whole gradient
# is the sum over both, and with a wide open gate it can even grow.
#
# > **You may read elsewhere** that additive paths as in an LSTM (or in a ResNet) "are not punished", so
# > that gradients cannot vanish, or that an LSTM remembers 1000 steps. The plot shows an LSTM whose
# > gradient vanishes within a news item. The path through $c$ loses nothing *where f is close to 1*,
# > and that takes a good start, or training.

# %% [markdown]
# ### Does it learn?
#
# A gradient that arrives is not yet something learned. So let us ask the layers to learn: the first
# token shows one of four classes, 39 tokens of noise follow, and after the last one the layer has to
# name the class. Guessing is right in 25 % of the cases.
#
# **Predict.** All five get the same 200 steps of training. Which of these two does better: the plain
# `"RNN"` with an orthogonal start, or the `"LSTM"` as PyTorch starts it?

# %% predict=true
predict(
    "recall-winner",
    answer="RNN",
    computed="RNN" if min(recalled["RNN, orthogonal start"]) > max(recalled["LSTM"]) else "LSTM",
    choices=("RNN", "LSTM"),
    hint="Compare their factors per step above: how much of a gradient is left after 39 steps?",
)


# %%
def recall_batch(count, length):
    """Return sequences that begin with one of four classes, shape (B, T, F), and the classes."""
    classes = torch.randint(4, (count,))
    inputs = 0.3 * torch.randn(count, length, F)
    inputs[:, :, :4] = 0  # the noise is in the other four numbers
    inputs[:, 0] = nn.functional.one_hot(classes, F)
    return inputs, classes


def learn_to_recall(layer, optimizer, lr, steps, length, clip=math.inf):
    """Train a layer to recall the first token; return the losses, and the accuracy on new data."""
    linear = nn.Linear(H, 4)
    parameters = [*layer.parameters(), *linear.parameters()]
    optimizer, losses = optimizer(parameters, lr=lr), []
    for _ in range(steps):
        inputs, classes = recall_batch(32, length)
        loss = nn.functional.cross_entropy(linear(layer(inputs)[0][:, -1]), classes)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, clip)
        optimizer.step()
        losses += [loss.item()]
    with torch.no_grad():
        inputs, classes = recall_batch(500, length)
        right = linear(layer(inputs)[0][:, -1]).argmax(dim=1) == classes
    return losses, right.float().mean().item()


losses, recalled = {}, {}
for name, new in KINDS.items():
    recalled[name] = []
    for seed in range(2):
        torch.manual_seed(seed)
        losses[name], accuracy = learn_to_recall(
            new(), torch.optim.Adam, lr=0.005, steps=200, length=40
        )
        recalled[name].append(accuracy)
plots.learning(losses, chance=math.log(4))
for name, accuracies in recalled.items():
    print(f"{name:22} accuracy", *(f"{accuracy:.2f}" for accuracy in accuracies), "(two seeds)")

# %% [markdown]
# (The plot shows the second seed.) The start decides more than the kind of layer does: the plain RNN
# with an orthogonal matrix and the LSTM with a forget bias learn the task from nearly every seed, and
# the LSTM as PyTorch starts it is no better than guessing. The plain RNN gets there from some seeds,
# by luck. (The others may follow with many more steps, or on an easier task: try `length=10`.) One
# seed is an anecdote: before you believe a comparison, run it with several. In practice one takes an
# LSTM or a GRU, starts it well, and measures.

# %% [markdown]
# ### Exploding gradients, and clipping
#
# Where a step back *stretches*, gradients explode: one batch then gives a step of the optimizer that
# destroys what was learned. The remedy is a single line between `backward()` and `step()`, *gradient
# clipping*. If the norm of all gradients together is larger than a limit, they are scaled down to it;
# their direction stays:
#
# ```
# nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
# ```
#
# Below, an orthogonal $W_{hh}$ is doubled, so that it stretches every vector, and plain SGD takes
# large steps. The task is the same, with 20 tokens:

# %%
print("clipping   accuracy (three seeds)   largest loss after step 100")
for clip in (math.inf, 1.0):
    results, worst = [], []
    for seed in range(3):
        torch.manual_seed(seed)
        layer = make(nn.RNN, orthogonal=True)
        with torch.no_grad():
            layer.weight_hh_l0.mul_(2)
        of_run, accuracy = learn_to_recall(
            layer, torch.optim.SGD, lr=0.2, steps=300, length=20, clip=clip
        )
        results.append(f"{accuracy:.2f}")
        worst.append(f"{max(of_run[100:]):.1f}")
    print(f"{'none' if clip == math.inf else clip!s:9}  {'  '.join(results):25}{'  '.join(worst)}")

# %% [markdown]
# Clipping does not help against vanishing: a gradient that is not there cannot be scaled.
#
# Read more: R. Pascanu, T. Mikolov and Y. Bengio,
# [On the difficulty of training recurrent neural networks](https://arxiv.org/abs/1211.5063) (clipping);
# Q. Le, N. Jaitly and G. Hinton, [A simple way to initialize recurrent networks of rectified linear
# units](https://arxiv.org/abs/1504.00941);
# [Backpropagation through time](https://d2l.ai/chapter_recurrent-neural-networks/bptt.html);
# [clip_grad_norm_](https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html).

# %% [markdown]
# ### Question 2
#
# Why does the gradient of a plain RNN vanish over many steps, and what in the LSTM changes that?
# Use your plots. Does an LSTM always remember? (three to five sentences)

# %% [markdown] question="vanishing" points=5
# *A full answer says:* going back one step multiplies the gradient by the weights `w_hh` and by the
# slope of tanh (at most 1, far from 0 nearly 0); over many steps that is a product of many factors,
# and where they are below 1 it shrinks exponentially: in the plot a straight line downwards on the
# logarithmic scale. In an LSTM the way back through the cell state is multiplied by the forget gate
# only, without a matrix and without a tanh; with a gate close to 1 hardly anything is lost, and the
# gate is learned. It is no guarantee: with PyTorch's start the gate is about 0.5, in the plot that
# LSTM's gradient vanishes as well, only less steeply (about 0.6 per step, the RNN's about 0.5), and it
# does not learn to recall the first token; with a forget bias of 3 the line is level, and it does.
# Very good answers add that the plot compares starts as much as architectures: an RNN with an
# orthogonal matrix (0.8) learns the task, too.
#
# *Marks:* 2 a product of many factors (weights and slope), so it shrinks exponentially, 1 the cell
# state is only multiplied by f and added to, 1 f close to 1 is needed (or learned), 1 something
# that was read from a plot.

# %% [markdown]
# ## 6. The GRU
#
# A GRU (*gated recurrent unit*) keeps the idea and needs less: one state, two gates, three sets of
# rows in the weights instead of four.

# %%
plots.gru_cell()

# %% [markdown]
# The *reset gate* $r$ and the *update gate* $z$ are sigmoids of the usual sum. Let $x_r$, $x_z$, $x_n$
# be the three parts of $x W_{ih}^T + b_{ih}$, and $s_r$, $s_z$, $s_n$ those of $h W_{hh}^T + b_{hh}$:
#
# $$r = \sigma(x_r + s_r) \qquad z = \sigma(x_z + s_z)$$
# $$n = \tanh(x_n + r \cdot s_n) \qquad h' = (1 - z) \cdot n + z \cdot h$$
#
# In the picture, $x_n = x W_{in}^T + b_{in}$ and $s_n = h W_{hn}^T + b_{hn}$, with the last H rows of
# each matrix and bias. $r$ lets the candidate $n$ ignore the old state. $z$ mixes: where it is 1, the old state is copied;
# where it is 0, the candidate replaces it. So $z$ is forget gate and input gate in one.
#
# > **You may read elsewhere** other formulas for a GRU. In the paper that introduced it, $r$ multiplies
# > $h$ *before* the matrix product; PyTorch multiplies *after* it, the product's bias included. And in
# > some books $z$ and $1 - z$ change places. All of these work, but they are different functions:
# > weights that were trained with one are useless in another.

# %% definition="gru_cell.gru_cell"

# %% check="gru_cell"
check("gru_cell", gru_cell)

# %% [markdown]
# **Predict.** An `nn.LSTM` and an `nn.GRU` have the same F and H. How many weights does the GRU have,
# as a share of the LSTM's? (two decimals)

# %% predict=true
predict(
    "gru-share",
    answer=0.75,
    computed=counts["GRU"] / counts["LSTM"],
    hint="Count the sets of rows in their stacked weights: i, f, g, o, and r, z, n.",
)

# %%
counts = {
    kind.__name__: sum(weights.numel() for weights in kind(96, 64).parameters())
    for kind in (nn.RNN, nn.GRU, nn.LSTM)
}
for name, count in counts.items():
    print(f"{name:5} {count:6,} weights, {count / counts['LSTM']:.2f} of the LSTM's")

# %% [markdown]
# ### Question 3
#
# Why would somebody take a GRU and not an LSTM? And how does it keep a gradient alive, though it
# has no cell state? (three or four sentences)

# %% [markdown] question="gru" points=5
# *A full answer says:* a GRU has three sets of weights instead of four (a quarter less to compute,
# to store and to fit, which helps with few data), and one state instead of two, which is simpler
# to handle; on many tasks it does about as well, so it is worth a try. Its state is updated as a
# mix, (1 - z) * n + z * h: where z is close to 1, h is copied on, and the gradient goes back along
# z * h without a matrix and without a tanh, as it does through the LSTM's cell state. What it
# lacks: an output gate, so all of the state is shown at every step, and writing and forgetting are
# tied together by one gate.
#
# *Marks:* 2 fewer weights and one state, so quicker or less data needed, 1 about as good on many
# tasks (it has to be tried), 2 the way through z * h.

# %% [markdown]
# Read more: [nn.GRU](https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html);
# [Gated recurrent units](https://d2l.ai/chapter_recurrent-modern/gru.html) in *Dive into Deep
# Learning*. The GRU is from K. Cho and others, [Learning phrase representations using RNN
# encoder-decoder](https://arxiv.org/abs/1406.1078) (2014); J. Chung and others compare it with the
# LSTM in [Empirical evaluation of gated recurrent neural networks](https://arxiv.org/abs/1412.3555).

# %% [markdown]
# ## 7. Long sequences
#
# A book has a hundred thousand tokens. Reading all of them in one call is no problem. Learning from
# them is: for the gradient, the states of *every* step are kept until `backward()`, so the memory
# grows with T. And a stream, such as speech or a log file, never ends.

# %%
lstm = nn.LSTM(16, 32, batch_first=True)
with torch.no_grad():
    start = time.perf_counter()
    lstm(torch.randn(1, 100_000, 16))
print(f"100,000 steps without gradients: {time.perf_counter() - start:.1f} s")
kept = []  # the bytes of each tensor that is kept for backward()


def keep(tensor):
    """Note the size of a tensor."""
    kept.append(tensor.numel() * tensor.element_size())
    return tensor


for steps in (1000, 10_000):
    kept.clear()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        lstm(torch.randn(1, steps, 16))
    print(f"{steps:6,} steps with gradients: {sum(kept) / 1e6:.1f} MB kept for backward()")

# %% [markdown]
# So one cuts. The layer reads the first chunk, and the second chunk starts from the states that the
# first one returned. An LSTM has two states, so it is the pair `(h_n, c_n)` that is passed on:
# `lstm(chunk, state)` takes it and returns the next one.
#
# ```
# start  ->  [ chunk 1 ]  ->  (h_n, c_n)  ->  [ chunk 2 ]  ->  (h_n, c_n)  ->  [ chunk 3 ]  ->  ...
# ```
#
# Done right, this gives the very numbers of one long run. It is how a model reads a stream, and how it
# writes text: token by token, each from the state that the token before has left. In training one
# also *detaches* the states between chunks, so that the gradient and its memory end there (*truncated
# backpropagation through time*, in the lesson *Beyond*). Your function does not detach: its gradients
# are those of one long run, and so is its memory.
#
# With a bidirectional layer it does not work: its backward direction begins at the end of the *whole*
# text. In a chunk it would have to start from a state that comes from the chunks after it, which have
# not been read. That is why `carry_state` refuses such a layer: it raises a `ValueError` if
# `lstm.bidirectional` is true.
#
# > **You may read elsewhere** that the state of one batch is passed on to the next one, or that what a
# > network says about one batch depends on the others. Only if you pass it. Pass it where the next
# > input *continues* the last one; for the next batch of shuffled sentences, start from zeros, or one
# > sentence would influence an unrelated one.

# %% definition="carry_state.carry_state"

# %% check="carry_state"
check("carry_state", carry_state)

# %% [markdown]
# **Predict.** A text of 100 steps is read in chunks of 20, and each chunk starts from zeros. From
# which step on do the outputs differ from those of one long run? (counted from 0, as in
# `outputs[:, step]`)

# %% predict=true
predict(
    "first-difference",
    answer=20,
    computed=first,
    hint="Where does a chunk start from another state than the long run has at that point?",
)

# %%
torch.manual_seed(0)
lstm, text = nn.LSTM(5, 4, batch_first=True), torch.randn(1, 100, 5)
zeros = torch.zeros(1, 1, 4)
with torch.no_grad():
    whole, _ = lstm(text)
    carried, _ = carry_state(lstm, text, (zeros, zeros), size=20)
    from_zeros = torch.cat([lstm(chunk)[0] for chunk in text.split(20, dim=1)], dim=1)
differences = (from_zeros - whole).abs().amax(dim=(0, 2))
first = int((differences > 1e-4).nonzero()[0])
print("with the state passed on, the outputs differ by", (carried - whole).abs().max().item())
print("with chunks that start from zeros, by", differences.max().item(), "from step", first, "on")

# %% [markdown]
# ## What you have learned
#
# - A recurrent layer is one cell with one set of weights, applied step by step. `outputs` are its
#   states after every step, `h_n` those after the last one: (L * D, B, H), batch second.
# - With two directions, a token has 2 * H numbers, and the two states that have read everything are
#   at different ends of `outputs`.
# - Gradients through T steps are products of T factors. Whether they vanish depends on the
#   architecture *and* on the initialisation; clipping stops explosions.
# - LSTM and GRU have a way from state to state that is only multiplied by a gate and added to. Where
#   that gate is close to 1, they remember.
# - A state is passed on where the input continues, and only there.
#
# ## What comes next
#
# **The bottleneck.** A classifier that reads only `h_n`, or a translator that starts from it, has to
# squeeze the whole sentence into H numbers, however long it is. The remedies look at *all* outputs
# again. The simplest are a mean or a maximum over the steps. *Attention* takes a weighted mean, and
# computes the weights from the outputs themselves:
#
# $$a = \mathrm{softmax}(\mathrm{outputs} \cdot w) \qquad\qquad
#   \mathrm{summary} = \sum_t a_t\, \mathrm{outputs}_t$$
#
# The *News classifier* compares them. D. Bahdanau, K. Cho and Y. Bengio added attention to a recurrent
# translator in [Neural machine translation by jointly learning to align and
# translate](https://arxiv.org/abs/1409.0473) (2014).
#
# **Transformers** kept the attention and dropped the recurrence: [Attention is all you
# need](https://arxiv.org/abs/1706.03762) (2017). All steps of a text are then computed at once, which
# suits GPUs, and any two tokens are one step apart. The price: time and memory grow with the square
# of T, and each new token looks at all earlier ones. A recurrent layer needs the same time and memory
# for every token, for ever.
#
# **Where recurrent layers live today.** Where that counts: in speech recognition while you speak
# ([RNN transducers](https://arxiv.org/abs/1211.3711)), on small devices ([keyboard
# predictions](https://arxiv.org/abs/1811.03604)), in control and in time series. And they are coming
# back in large language models, in forms that can be trained in parallel: [state-space models such as
# Mamba](https://arxiv.org/abs/2312.00752), [xLSTM](https://arxiv.org/abs/2405.04517), and [Were RNNs
# all we needed?](https://arxiv.org/abs/2410.01201), which asks how little of an LSTM one has to change
# for that.
#
# **To try on your own:** other lengths and learning rates in the recall task; a forget bias of 1, as
# Keras has it; a GRU whose update gate starts open; headlines of your own for the gates. Write down a
# guess first.
#
# **In this course:** *Words to tensors* makes the sequences, *News classifier* puts everything
# together, *Beyond* makes word vectors and writes text letter by letter.

# %% [markdown]
# **Before you hand in:** *Kernel, Restart Kernel and Run All Cells*, look through the tables once
# more, save. The run stops at the first cell that fails; the parts below it are graded all the same.
# If your Jupyter has a button *Validate*, it says whether every check passes.
