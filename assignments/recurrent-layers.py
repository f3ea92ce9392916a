# %% [markdown]
# # Recurrent layers
#
# A recurrent layer reads a sentence token by token and keeps a *state*, H numbers that sum up what
# it has read so far. In PyTorch that is one line, `nn.LSTM(...)`. Here you write such layers
# yourself, from their formulas, and take apart what they return. Afterwards nothing in them is
# magic.
#
# | part | what it does | points |
# |---|---|---|
# | `rnn_cell` | one step of the simplest recurrent layer | {points:rnn_cell} |
# | `unroll` | a cell over all steps of a batch | {points:unroll} |
# | `last_state` | finds the last layer in `h_n` | {points:last_state} |
# | `sum_directions`, `join_directions` | take the two directions out of `outputs` | {points:directions} |
# | `lstm_cell` | one step of an LSTM | {points:lstm_cell} |
# | `gru_cell` | one step of a GRU | {points:gru_cell} |
# | `carry_state` | a long sequence, piece by piece | {points:carry_state} |
# | all parts | | {points} |
# | questions, on top | to answer in your own words | {points:questions} |
#
# **How to work.** Run the cells from the top down (Shift + Enter). Where you see
# `raise NotImplementedError(...)`, put your own code in its place. The cell that starts with
# `check(` tells what is right and what is not, with a hint where you need one; run it as often as
# you like. Each part is graded apart: none needs another one to be right. You may add cells, with
# helper functions too. Keep the names of the parts, and change nothing in the cells that check.

# %% [markdown]
# ## Shapes
#
# These letters mean the same everywhere, in the text, in the docstrings and in what `check` says:
#
# | letter | meaning |
# |---|---|
# | B | batch size (number of sentences) |
# | T | time steps (tokens) of a sentence; in a batch all have the same number |
# | F | features of one token vector |
# | H | hidden size: how many numbers the state of one direction has |
# | L | layers |
# | D | directions (1 or 2) |

# %% setup=true

# %% imports=true

# %%
from grader import plots
from grader.notebook import check, predict

# %% [markdown]
# ## 1. One step
#
# A *cell* does one step. It takes the vectors of one token of each sentence, `inputs` (B, F), and
# the state that each sentence has reached, `state` (B, H). It gives the new state, (B, H):
#
# $$h' = \tanh(x W_{ih}^T + b_{ih} + h W_{hh}^T + b_{hh})$$
#
# $x$ is what is read now, $h$ what is remembered. Each goes through a matrix of its own; tanh
# squeezes the sum into the range from -1 to 1. Two things to know about PyTorch's weights: `w_ih`
# has shape (H, F), one row for each number of the new state, so it has to be transposed (`w_ih.T`);
# and there are two biases, although one would do.

# %% definition="rnn_cell.rnn_cell"

# %% check="rnn_cell"
check("rnn_cell", rnn_cell)

# %% [markdown]
# **Try it.** With the weights of torch's own cell, yours gives the same numbers. The difference is
# rounding:

# %%
torch.manual_seed(0)
cell = nn.RNNCell(input_size=5, hidden_size=4)
inputs, state = torch.randn(3, 5), torch.zeros(3, 4)
own = rnn_cell(inputs, state, cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)
print("largest difference:", (own - cell(inputs, state)).abs().max().item())

# %% [markdown]
# ## 2. Step by step
#
# A *layer* runs its cell over the sentence. Each step starts from the state that the step before
# has given, and every step uses the same weights. Drawn side by side, the steps look like a long
# network; that is called *unrolling*:

# %%
plots.unrolled()

# %% [markdown]
# PyTorch's layers return two things, and the picture shows both:
#
# - `outputs`, the states after *every* step;
# - `h_n`, the state after the *last* step.
#
# They are the same numbers: in a layer with one direction, the last of the outputs *is* the last
# state. In particular, the outputs of `nn.RNN` have been through the tanh already; nothing is left
# to do to them.
#
# Below, `cell` is any function that maps the vectors of one step and a state to the new state.

# %% definition="unroll.unroll"

# %% check="unroll"
check("unroll", unroll)

# %% [markdown]
# **Try it.** Your two parts together are an `nn.RNN`. (`nn.RNN` returns `h_n` with one more
# dimension, for its layers; `h_n[0]` is the only one here.)

# %%
rnn = nn.RNN(input_size=5, hidden_size=4, batch_first=True)
weights = rnn.weight_ih_l0, rnn.weight_hh_l0, rnn.bias_ih_l0, rnn.bias_hh_l0
inputs = torch.randn(3, 6, 5)  # (B, T, F)
outputs, h_n = rnn(inputs)
own, last = unroll(lambda x, h: rnn_cell(x, h, *weights), inputs, torch.zeros(3, 4))
print("outputs differ by", (own - outputs).abs().max().item())
print("h_n differs by", (last - h_n[0]).abs().max().item())
print("the last output is the last state:", torch.equal(outputs[:, -1], h_n[0]))

# %% [markdown]
# **`batch_first`.** Without it, PyTorch's layers want the time in front: inputs and outputs are
# (T, B, F) and (T, B, H). With `batch_first=True` they are (B, T, F) and (B, T, H).
#
# **Predict.** What is the shape of `h_n`, if a layer with `batch_first=True` and a hidden size of 4
# reads 3 sentences of 6 tokens? Write it in place of the dots, as in `(1, 2, 3)`, and run the cell.

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
# ## 3. Several layers and directions
#
# Two things make a recurrent layer stronger. A second layer reads the outputs of the first one as
# if they were token vectors. And a *bidirectional* layer has two cells with weights of their own:
# one reads from left to right, the other one from right to left, so that a token's output knows
# what comes after it, too.
#
# Now there are L * D last states, and `h_n` holds them all, layer by layer, in each layer forward
# first. Its shape is (L * D, B, H):

# %%
plots.last_states()

# %% [markdown]
# What a program needs of them is mostly the last layer: one row for each direction. (The picture
# shows L = 2 and D = 2. Yours has to be right for any L, and for D = 1.)

# %% definition="last_state.last_state"

# %% check="last_state"
check("last_state", last_state)

# %% [markdown]
# `outputs` shows the last layer only, but all of its steps. With two directions it has shape
# (B, T, 2 * H): at each step the forward state, and behind it the backward state *of the same
# token*. In the picture, with four tokens:
#
# ```
#                t = 1      t = 2      t = 3      t = 4
# outputs[:, t]  [f1, b1]   [f2, b2]   [f3, b3]   [f4, b4]
#
# f4  has read the whole sentence      b4  has read the last token only
# f1  has read the first token only    b1  has read the whole sentence
# ```
#
# Two ways to go on from there. If each token needs an answer, one often adds the directions up, so
# that there are H numbers a token and not 2 * H. If the sentence needs one, one takes the two
# states that have read everything. Those are not side by side.

# %% definition="directions.sum_directions"

# %% definition="directions.join_directions"

# %% check="directions"
check("directions", sum_directions, join_directions)

# %% [markdown]
# **Try it.** Two ways to the same states: out of `h_n`, and out of `outputs`.

# %%
lstm = nn.LSTM(5, 4, num_layers=2, bidirectional=True, batch_first=True)
outputs, (h_n, c_n) = lstm(torch.randn(3, 6, 5))
forward, backward = last_state(h_n, num_layers=2, num_directions=2)
joined = torch.cat([forward, backward], dim=1)
print("the same states:", torch.equal(join_directions(outputs), joined))

# %% [markdown]
# **And padding?** In a padded batch the last step of a short sentence is padding, and a layer reads
# on over it: its state changes at every padded step. `pack_padded_sequence` helps. It does not pad
# anything: it takes a padded batch with the lengths and leaves the padding out, so that each
# sentence ends at its own last token, and so does its row of `h_n`.

# %% [markdown]
# ## 4. The LSTM
#
# The plain cell has a weakness. To learn that the first word of a text matters, a gradient has to
# get from the last output back to the first input. On its way it passes every step in between, and
# each step multiplies it: by the matrix $W_{hh}$ and by the slope of tanh, which is at most 1. A
# number that is multiplied by 0.6 again and again is gone soon: after 20 steps 0.00004 is left of
# it. The gradient *vanishes*. (With large weights it can also explode.)
#
# An LSTM has a second state, the *cell state* c. From step to step c is only multiplied by a number
# and added to:
#
# $$c' = f \cdot c + i \cdot g \qquad\qquad h' = o \cdot \tanh(c')$$
#
# f, i and o are *gates*: H shares from 0 to 1, computed anew at each step from what is read and
# from h. The *forget gate* f says how much of c stays, the *input gate* i how much of the new g is
# written, the *output gate* o how much is shown. There is no matrix between c and c', and no tanh.
# So where f is close to 1, a gradient comes back through c nearly undiminished.
#
# All four parts come out of the same kind of sum as before, each with rows of its own in the
# weights. PyTorch stacks them in the order i, f, g, o, so `w_ih` has shape (4 * H, F).

# %% definition="lstm_cell.lstm_cell"

# %% check="lstm_cell"
check("lstm_cell", lstm_cell)

# %% [markdown]
# **Try it: how far back does a gradient reach?** The cell below runs a layer over T steps of random
# numbers, takes the last output, and asks for its gradient with respect to each of the T inputs.
# The norm of that gradient says how much the input could move the output.
#
# Three layers are compared, all fresh, none of them trained: `nn.RNN` and `nn.LSTM` as PyTorch
# initialises them, and the same LSTM with a large bias at its forget gate. The last one is a
# choice, and a fair comparison has to name it: with PyTorch's own start the forget gate is about
# sigmoid(0) = 0.5, so half of c is forgotten at each step. With a bias of 4 it is about sigmoid(4)
# = 0.98. Many programs start LSTMs with a positive forget bias for that reason; and training can
# open the gate by itself, number by number, where it pays to remember.

# %%
LENGTHS = (5, 10, 20, 50, 100, 200)
forget_bias = 4.0


def gradient_norms(layer, steps):
    """Return the norm of the last output's gradient with respect to each input, shape (T,)."""
    torch.manual_seed(1)
    inputs = torch.randn(1, steps, layer.input_size, dtype=torch.float64, requires_grad=True)
    outputs, _ = layer(inputs)
    outputs[0, -1].sum().backward()
    return inputs.grad[0].norm(dim=1)


torch.manual_seed(0)
rnn, lstm, open_lstm = nn.RNN(16, 32), nn.LSTM(16, 32), nn.LSTM(16, 32)
open_lstm.load_state_dict(lstm.state_dict())
with torch.no_grad():
    open_lstm.bias_ih_l0.chunk(4)[1].fill_(forget_bias)  # i, f, g, o: the second part
layers = {
    "RNN": rnn,
    "LSTM as it is initialised": lstm,
    f"LSTM, forget bias {forget_bias:g}": open_lstm,
}
for layer in layers.values():
    layer.batch_first = True
    layer.double()  # float32 ends at about 1e-38
norms = {name: {T: gradient_norms(layer, T) for T in LENGTHS} for name, layer in layers.items()}
plots.gradients(norms)
for name, of_lengths in norms.items():
    later, earlier = of_lengths[200][180], of_lengths[200][20]
    print(f"{name:26} a factor of {((earlier / later) ** (1 / 160)).item():.2f} a step")

# %% [markdown]
# The scale is logarithmic, so a straight line downwards is the same factor at every step; the
# numbers below the plot are these factors. Change `forget_bias` to 0, 1 and 2, run the cell again,
# and compare the factor with sigmoid(forget_bias), 0.50, 0.73 and 0.88. (It comes out a little
# larger, because some of the gradient takes the way back through h.)
#
# ### Question 1
#
# Why does the gradient of a plain RNN vanish over many steps, and what in the LSTM changes that?
# Use your plot. Does an LSTM always remember? (three to five sentences)

# %% [markdown] question="vanishing" points=5
# *A full answer says:* going back one step multiplies the gradient by the weights `w_hh` and by the
# slope of tanh (at most 1, far from 0 nearly 0); over many steps that is a product of many factors,
# and where they are below 1 it shrinks exponentially: in the plot a straight line downwards on the
# logarithmic scale. In an LSTM the way back through the cell state is multiplied by the forget gate
# only, without a matrix and without a tanh; with a gate close to 1 hardly anything is lost, and the
# gate is learned. It is no guarantee: with PyTorch's start the gate is about 0.5, and in the plot
# that LSTM's gradient vanishes as well, only less steeply (0.67 a step, the RNN's 0.55); with a
# forget bias of 4 the line is level.
#
# *Marks:* 2 a product of many factors (weights and slope), so it shrinks exponentially, 1 the cell
# state is only multiplied by f and added to, 1 f close to 1 is needed (or learned), 1 something
# that was read from the plot.

# %% [markdown]
# ## 5. The GRU
#
# A GRU (*gated recurrent unit*) keeps the idea and does with less: one state, two gates, three sets
# of rows in the weights in place of four. The *update gate* z mixes the old state with a candidate
# n. The *reset gate* r lets the candidate forget the old state:
#
# $$n = \tanh(x_n + r \cdot s_n) \qquad\qquad h' = (1 - z) \cdot n + z \cdot h$$
#
# Here $x_n$ is the part of the inputs and $s_n = h W_n^T + b_n$ the part of the state. Beware of r:
# PyTorch multiplies *after* the matrix product, and the product's bias as well. In the paper that
# introduced GRUs r multiplies h *before* the product. Both work, but they are different functions,
# and weights that were trained with one are no good with the other. The same goes for z: in some
# books z and 1 - z change places.

# %% definition="gru_cell.gru_cell"

# %% check="gru_cell"
check("gru_cell", gru_cell)

# %% [markdown]
# **Try it.** How many weights do the three kinds have, for the same sizes?

# %%
for kind in (nn.RNN, nn.GRU, nn.LSTM):
    count = sum(weights.numel() for weights in kind(96, 64).parameters())
    print(f"{kind.__name__:5} {count:6,}")

# %% [markdown]
# ### Question 2
#
# Why would somebody take a GRU and not an LSTM? And how does it keep a gradient alive, though it
# has no cell state? (three or four sentences)

# %% [markdown] question="gru" points=5
# *A full answer says:* a GRU has three sets of weights in place of four (a quarter less to compute,
# to store and to fit, which helps with few data), and one state in place of two, which is simpler
# to handle; on many tasks it does about as well, so it is worth a try. Its state is updated as a
# mix, (1 - z) * n + z * h: where z is close to 1, h is copied on, and the gradient goes back along
# z * h without a matrix and without a tanh, as it does through the LSTM's cell state. What it
# lacks: an output gate, so all of the state is shown at every step, and writing and forgetting are
# tied together by one gate.
#
# *Marks:* 2 fewer weights and one state, so quicker or less data needed, 1 about as good on many
# tasks (it has to be tried), 2 the way through z * h.

# %% [markdown]
# ## 6. Long sequences
#
# A book has a hundred thousand tokens. No machine runs an LSTM over all of them at once, and a
# stream has no end at all. So one cuts: the layer reads the first chunk, and the second chunk
# starts from the states that the first one has given. An LSTM has two states, so it is the pair
# `(h_n, c_n)` that is handed on: `lstm(chunk, state)` takes it and gives the next one.
#
# ```
# start  ->  [ chunk 1 ]  ->  (h_n, c_n)  ->  [ chunk 2 ]  ->  (h_n, c_n)  ->  [ chunk 3 ]  ->  ...
# ```
#
# Done right, this gives the very numbers of one long run. With a bidirectional layer it cannot: its
# backward direction begins at the end of the *whole* text. In a chunk it would have to start from
# a state that comes from the chunks behind, which have not been read. That is why `carry_state`
# refuses such a layer.

# %% definition="carry_state.carry_state"

# %% check="carry_state"
check("carry_state", carry_state)

# %% [markdown]
# **Try it.** The same text in one run, in chunks with the state carried on, and in chunks that each
# start from zeros:

# %%
torch.manual_seed(0)
lstm, text = nn.LSTM(5, 4, batch_first=True), torch.randn(1, 100, 5)
zeros = torch.zeros(1, 1, 4)
with torch.no_grad():
    whole, _ = lstm(text)
    carried, _ = carry_state(lstm, text, (zeros, zeros), size=20)
    anew = torch.cat([lstm(chunk)[0] for chunk in text.split(20, dim=1)], dim=1)
print("carried on differs by", (carried - whole).abs().max().item())
print("started anew differs by", (anew - whole).abs().max().item())

# %% [markdown]
# ### Question 3
#
# When would you give an LSTM the states `(h_n, c_n)` of an earlier run, and when must you not? Name
# one case for each, with the reason. (three or four sentences)

# %% [markdown] question="feeding" points=5
# *A full answer says:* feed them when the new input goes on where the earlier one ended: the next
# chunk of a long text or stream, the next token when a model writes text one by one, or a decoder
# that starts from what an encoder has read. Both parts are needed, h and c. Do not feed them when
# the new input has nothing to do with the earlier one, such as the next batch of other, shuffled
# sentences: then one sentence would influence another; start from zeros (leave the states out). In
# a bidirectional layer it is wrong even for chunks of one text, because the backward direction
# comes from the other end. In training over many chunks one often detaches the states, so that the
# gradient does not go back through the whole text.
#
# *Marks:* 2 a case where the input goes on, with the reason, 2 a case where it does not, with the
# reason, 1 one of: both h and c, only one direction, detaching in training.

# %% [markdown]
# **Before you hand in:** *Kernel, Restart Kernel and Run All Cells*, look through the tables once
# more, save. The button *Validate* does the same and says whether every check passes.
