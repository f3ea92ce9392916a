# %% [markdown]
# # A news classifier
#
# A reader sees *Oil prices fall again* and knows: business. You will write a program that does
# the same. It reads the sentence word by word, in both directions, and names one of four classes:
# **World, Sports, Business, Sci/Tech**.
#
# You write these parts, each in a cell of its own:
#
# | part | what it does | points |
# |---|---|---|
# | `NewsDataset` | holds the texts and their classes | {points:dataset} |
# | `Collate` | turns some sentences into one box of numbers | {points:collate} |
# | `LSTMClassifier` | reads the box, gives a score to each class | {points:model} |
# | `train`, `evaluate` | let the model learn, and measure how well it does | {points:train} |
# | accuracy | how well your model does on news it has not seen | {points:accuracy} |
# | all parts | | {points} |
# | questions, on top | to answer in your own words | {points:questions} |
#
# **How to work.** Run the cells from the top down (Shift + Enter). Where you see
# `raise NotImplementedError(...)`, put your own code in its place. The cell that starts with
# `check(` tells what is right and what is not, with a hint where you need one; run it as often as
# you like. Each part is graded apart: a mistake in one takes points there and nowhere else. You
# may add cells, with helper functions too: what a part needs from the cells above it is handed in
# with it. Keep the names of the parts, and change nothing in the cells that check.

# %% [markdown]
# ## Shapes
#
# Nearly every mistake in a network is a mistake in a shape. These letters mean the same
# everywhere, in the text, in the docstrings and in what `check` says:
#
# | letter | meaning |
# |---|---|
# | B | batch size (number of sentences) |
# | T | time steps (tokens) of the longest sentence in the batch |
# | F | features of one token vector (96) |
# | H | hidden size of one direction |
# | L | layers |
# | D | directions (2) |
# | C | classes |
#
# `(B, T, F) = (32, 40, 96)` is a box of 32 sentences, 40 tokens long, with 96 numbers a token.

# %% setup=true

# %% imports=true

# %%
from torch.utils.data import DataLoader

import news
from grader import plots
from grader.notebook import check, progress

# %% [markdown]
# ## 1. The data set
#
# The news come as pairs of a label and a text. `news.sample("train")` gives 800 of them, without a
# download; `news.AG_NEWS(split="train")` gives the real ones, 120,000, in the same form.

# %%
samples = list(news.sample("train"))
for label, text in samples[:4]:
    print(label, text[:80], "...")

# %% [markdown]
# Labels count from 1, but PyTorch's loss function wants class indices that count from 0. So label
# 1 becomes index 0, and so on up to C - 1.
#
# A `Dataset` answers two questions: how many samples are there (`len(dataset)`), and what is sample
# number `i` (`dataset[i]`). PyTorch's `DataLoader` needs nothing else to draw batches from it.

# %% definition="dataset.NewsDataset"

# %% check="dataset"
check("dataset", NewsDataset)

# %% [markdown]
# **Try it.** How many news items are there of each class?

# %%
dataset = NewsDataset(samples)
print(len(dataset), "news items,", dataset.n_targets, "classes")
for target, name in enumerate(news.CLASSES):
    print(f"{name:10}", (dataset.targets == target).sum().item())

# %% [markdown]
# ## 2. From sentences to a batch
#
# A network computes with numbers, so each token (a word or a punctuation mark) becomes a vector of
# F = 96 numbers. spaCy does that: `nlp = spacy.load("en_core_web_sm")`, then for each token of
# `nlp("Oil prices fall again")` the attribute `token.vector`.
#
# A batch is a box, and sentences differ in length. So the short ones are filled up with vectors of
# zeros, behind their last token. That is *padding*. A batch of B = 3 sentences, T = 5:
#
# ```
#               t = 1    t = 2    t = 3    t = 4    t = 5
# sentence 1    Oil      prices   fall     again    .
# sentence 2    Rain     stopped  play     0        0
# sentence 3    Goal     !        0        0        0
# ```
#
# Every entry stands for 96 numbers, and `0` for 96 zeros; the box has shape (B, T, F) = (3, 5, 96).

# %% definition="collate.Collate"

# %% check="collate"
check("collate", Collate)

# %% [markdown]
# **Try it.** A `DataLoader` draws batches, and your `Collate` makes boxes of them. How much of a
# box is padding?

# %%
collate = Collate()
loader = DataLoader(dataset, batch_size=16, shuffle=True, collate_fn=collate)
padded, targets = next(iter(loader))
plots.padding(padded)

# %% [markdown]
# ## 3. The model
#
# A recurrent network reads a sentence token by token and keeps a *state*, H numbers that sum up
# what it has read so far. An LSTM is one with a good memory. Yours is *bidirectional*: one
# direction reads from left to right (its states are `f1` to `f4` below), the other one from right
# to left (`b4` to `b1`). It has several layers, too: the second one reads the states of the first.
#
# `nn.LSTM` returns `output, (h_n, c_n)`. `output` holds all states of the last layer; `h_n` holds,
# for each layer and direction, the state after *its own* last step. Run this cell for a picture:

# %%
plots.last_states()

# %% [markdown]
# Look at the orange rows: `b4` is computed first, when only *again* has been read, and `b1` last,
# when the whole sentence has. A classifier needs the two states that have seen everything: `f4` and
# `b1` of the last layer.
#
# Your model: the LSTM, then those two states, then ReLU, then a `Linear` layer that gives C scores.
# No softmax: the loss function does that by itself.

# %% definition="model.LSTMClassifier"

# %% check="model"
check("model", LSTMClassifier)

# %% [markdown]
# **Try it.** An untrained model has opinions, too. What does it make of the batch from above?

# %%
model = LSTMClassifier(n_targets=dataset.n_targets)
with torch.no_grad():
    logits = model(padded)
print("logits of shape (B, C) =", tuple(logits.shape))
print("right by luck:", (logits.argmax(dim=1) == targets).float().mean().item())
print("parameters:", sum(weights.numel() for weights in model.parameters()))

# %% [markdown]
# ### Question 1
#
# The forward direction reads the padded steps as well, after the last token of a short sentence.
# What do they do to the forward state `h_n[-2]`? And to the backward state `h_n[-1]`? What could
# one do about it? (three or four sentences)

# %% [markdown] question="padding" points=5
# *A full answer says:* the LSTM does not know that zeros are padding. At each padded step the
# forward state is changed further (by its own weights and biases, though the input is zero), so
# what it knew about the sentence fades, and more so the more padding there is: the same sentence
# gets other states in another batch. The backward direction reads the padding *first*, so its
# state has moved away from zero when it meets the last token, but then reads the whole sentence.
# Remedies: `pack_padded_sequence` with the lengths, taking `output` at each sentence's last token,
# batches of sentences of similar length.
#
# *Marks:* 2 forward state goes on changing, 1 it depends on the length of the padding or on the
# other sentences, 1 backward reads the padding first and so suffers less, 1 a remedy that works.

# %% [markdown]
# ### Question 2
#
# Somebody takes `output[:, -1]` instead of the states in `h_n`: its shape is (B, 2 * H), and
# everything runs. Why is it the wrong thing, all the same? Name what each half of it has read.

# %% [markdown] question="last-output" points=5
# *A full answer says:* `output[:, -1]` holds the states at the last *time step* (`[f4, b4]` in the
# picture). The forward half is right: it has read the whole sentence. The backward direction starts
# there: its half has read the last token only (in a padded batch: a vector of zeros), so nearly all
# that this direction could tell is lost. The right one stands at the first step,
# `output[:, 0, H:]`.
#
# *Marks:* 2 the backward half has read one token only, 1 the forward half is right, 1 in a padded
# batch that token may be padding, 1 where the right state stands.

# %% [markdown]
# ## 4. Training
#
# One pass over all batches is an *epoch*. For each batch: compute the logits, the loss
# (cross-entropy), the gradients, and let Adam take a step. After each epoch, `evaluate` measures
# the model on news it does not learn from.
#
# Two things are easily forgotten. The last batch is smaller than the others, so a mean over batches
# is not the mean over samples. And a model has two modes: `model.train()` and `model.eval()`.

# %% definition="train.evaluate"

# %% definition="train.train"

# %% check="train"
check("train", evaluate, train)

# %% [markdown]
# **Try it.** Your four parts together: a first training run. The vectors are computed once and kept
# in lists of batches, so that the epochs are quick. You should see the loss fall and the accuracy
# rise well above guessing.

# %%
torch.manual_seed(0)
validation = NewsDataset(news.sample("valid"))
batches = list(DataLoader(dataset, batch_size=32, shuffle=True, collate_fn=collate))
val_batches = list(DataLoader(validation, batch_size=32, collate_fn=collate))

# %%
model = LSTMClassifier(n_targets=dataset.n_targets)
epochs = 8
history = train(model, progress(batches, epochs), val_batches, epochs=epochs, lr=0.002)
plots.curves(history)

# %% [markdown]
# ### Question 3
#
# Look at the two loss curves. What do they tell about what the model is doing in the later epochs?
# What would you try next, and why?

# %% [markdown] question="curves" points=5
# *A full answer says:* the training loss goes on falling while the validation loss stops falling or
# rises: the model begins to know its 800 sentences by heart (overfitting). Sensible next steps:
# more data (AG News has 120,000 items), stopping at the best validation loss, dropout, a smaller
# model; vectors that know more about topics. The choice must follow from what was seen.
#
# *Marks:* 2 reads both curves right (from the student's own plot), 1 names overfitting or says why
# there is none, 2 a next step with a reason.

# %% [markdown]
# ## 5. News that it has not seen
#
# Nothing to write here: your model, trained by your loop, has to name the classes of other news. It
# takes a little while.

# %% check="accuracy"
check("accuracy")

# %% [markdown]
# **Before you hand in:** *Kernel, Restart Kernel and Run All Cells*, look through the tables once
# more, save. The button *Validate* does the same and says whether every check passes.
