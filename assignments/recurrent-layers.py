# %% [markdown]
# # Recurrent layers
#
# A recurrent layer reads a sentence token by token and keeps a *state*, H numbers that sum up what
# it has read so far. Here you write such layers from their formulas.
#
# **How to work.** Run the cells from the top down (Shift + Enter). Where you see
# `raise NotImplementedError(...)`, put your own code in its place. The cell that starts with
# `check(` tells what is right and what is not; run it as often as you like. Each part is graded
# apart.

# %% imports=true

# %%
from torch import nn

from grader.notebook import check

# %% [markdown]
# ## 1. One step
#
# A cell takes the vectors of one token of each sentence, `inputs` (B, F), and the state that each
# sentence has reached, `state` (B, H). It gives the new state, (B, H):
#
# $$h' = \tanh(x W_{ih}^T + b_{ih} + h W_{hh}^T + b_{hh})$$

# %% definition="rnn_cell.rnn_cell"

# %% check="rnn_cell"
check("rnn_cell", rnn_cell)

# %% [markdown]
# **Try it.** With the weights of torch's own cell, yours gives the same numbers.

# %%
cell = nn.RNNCell(5, 4)
inputs, state = torch.randn(3, 5), torch.zeros(3, 4)
own = rnn_cell(inputs, state, cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)
print((own - cell(inputs, state)).abs().max().item())

# %% [markdown]
# ## 2. Step by step
#
# The same cell, with the same weights, reads token after token: each step starts from the state
# that the step before has given.

# %% definition="unroll.unroll"

# %% check="unroll"
check("unroll", unroll)
