# %% [markdown]
# # A news classifier
#
# You read *Oil prices fall again* and know: business news. In this lesson you build a program that
# does the same. It reads a text word by word, in both directions, and chooses one of four classes:
# **World, Sports, Business, Sci/Tech**.
#
# **Afterwards you can**
#
# - turn texts of different lengths into batches: tokens, embeddings, padding;
# - build a bidirectional LSTM classifier, and say what each of its hidden states has read;
# - write a training loop, and tell learning from overfitting;
# - judge a model against a baseline, on held-out data, with more than one seed;
# - improve it with packing, pooling over time, attention and word vectors of your own.
#
# **You need** Python with classes, and an idea of what a tensor, a shape and a gradient are. The
# lesson *Recurrent layers* opens an LSTM and shows how it works inside; *Words to tensors* says
# more about spaCy and padding. Neither is required: what you need of them is explained here. You
# need no GPU and no download, but about five hours. The [glossary](docs/glossary.md) explains the
# terms.
#
# | part | what you do | difficulty | minutes | points |
# |---|---|---|---|---|
# | 1. The data set | write `NewsDataset` | easy | 25 | {points:dataset} |
# | 2. From texts to a batch | write `Collate` | medium | 40 | {points:collate} |
# | 3. How a network learns | read and try | | 30 | - |
# | 4. A yardstick | read and try | | 20 | - |
# | 5. The model | write `LSTMClassifier` | medium | 45 | {points:model} |
# | 6. Training | write `evaluate` and `train` | hard | 60 | {points:train} |
# | 7. What has it learned? | try your own headlines | | 15 | - |
# | 8. Better ways to read | compare | | 30 | - |
# | 9. Experiments | guess, then measure | | 30 | - |
# | 10. News it has not seen | nothing: your model is judged | | 5 | {points:accuracy} |
# | all parts | | | 300 | {points} |
# | questions, on top | answer in your own words | | 30 | {points:questions} |
# | predictions, on top | guess first, right or wrong | | | {points:predictions} |
#
# **How to work.** Run the cells from the top down (Shift + Enter). Where you see `raise
# NotImplementedError(...)`, replace it with your own code. The cell that starts with `check(` says
# what is right and what is not, with a hint where you need one; run it as often as you like. A
# mistake costs points only in its own part. Cells with `predict(` ask for a guess *before* you run
# the next cell; a wrong guess costs nothing, and is where you learn most. Cells that begin with `#
# Experiment` take a while and are not needed for any task. You may add cells, with helper functions
# too: your parts may use everything in the cells above their check. Keep the names of the parts,
# and do not change the cells that check. If a cell needs a part that is not written yet, one line
# says which; if it stops with `NameError`, a cell further up has not run yet.

# %% [markdown]
# ## Shapes
#
# Many mistakes show up as a wrong shape; the worst ones have the right shape and wrong numbers. So
# it pays to know every shape. These letters mean the same everywhere, in the text, in the
# docstrings and in what `check` says:
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
# A tensor of shape `(B, T, F) = (32, 40, 96)` holds 32 sentences of 40 tokens, and 96 numbers per
# token.

# %% setup=true

# %% imports=true

# %%
import re
from collections import Counter
from functools import cache, partial
from time import perf_counter

from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.data import DataLoader

import news
from grader import plots
from grader.notebook import check, predict, progress

# %% [markdown]
# ## 1. The data set
#
# Each news item is a pair of a label and a text. A sample comes with this kit: 800 items to learn
# from, 200 to compare models with (*validation*), 200 that stay untouched until the end (*test*).
# The real data set is [AG News](https://arxiv.org/abs/1509.01626): 120,000 items for training and
# 7,600 for testing. Set `REAL = True` to use some of it; then one half of its test items serves for
# validation and the other half stays the test set.

# %%
REAL = False  # True: 10,000 items of AG News, downloaded once (30 MB); takes ten times as long
if REAL:
    try:
        ag_news = {split: list(news.AG_NEWS(split=split)) for split in ("train", "test")}
    except news.NewsError as error:
        print(f"{error}\n\nThis lesson continues with the sample.\n")
        REAL = False


@cache
def rows(split):
    """Return the news of a split, "train", "valid" or "test": a list of (label, text)."""
    if not REAL:
        return news.sample(split)
    if split == "train":
        return ag_news["train"][:10_000]
    half = len(ag_news["test"]) // 2
    return ag_news["test"][:half] if split == "valid" else ag_news["test"][half:]


print({split: len(rows(split)) for split in ("train", "valid", "test")})
for label, text in rows("train")[:4]:
    print(label, text[:80], "...")

# %% [markdown]
# **Iterable or map-style.** torchtext, the library that AG News comes from, gives you a *stream*:
# you can loop over it, and that is all. It has no length, and you cannot ask for item number 7. For
# training you want a new random order in each epoch, so you do need item number 7. PyTorch calls
# the two kinds [iterable-style and map-style data
# sets](https://docs.pytorch.org/docs/stable/data.html). A map-style `Dataset` answers two
# questions: how many samples are there (`len(dataset)`), and what is sample number `i`
# (`dataset[i]`)?

# %%
stream = iter(rows("train"))  # like torchtext's
print(sum(1 for _ in stream), "items in the first pass,", sum(1 for _ in stream), "in the second")
try:
    stream[7]
except TypeError as error:
    print("stream[7]:", error)

# %% [markdown]
# Below is a data set of square numbers. Two details matter for yours as well. Python counts
# negative indices from the end: `squares[-1]` is the last one. And an index that is too large must
# raise `IndexError`: that is how a `for` loop and `list(...)` notice the end. A list and a `range`
# do both by themselves, so an object that passes the index to one gets it for free.


# %%
class Squares:
    """The squares of 0 to 4."""

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return range(len(self))[index] ** 2


squares = Squares()
print(squares[2], squares[-1], list(squares))
try:
    squares[5]
except IndexError as error:
    print("squares[5]:", error)

# %% [markdown]
# **Your data set.** Labels count from 1, but PyTorch's loss function expects class indices that
# count from 0. So label 1 becomes index 0, and so on up to C - 1. `samples` can be a stream, so
# read it once.

# %% definition="dataset.NewsDataset"

# %% check="dataset"
check("dataset", NewsDataset)

# %% [markdown]
# **Try it.** How many news items are there per class?

# %%
dataset = NewsDataset(rows("train"))
print(len(dataset), "news items,", dataset.n_targets, "classes")
for target, name in enumerate(news.CLASSES):
    print(f"{name:10}", (dataset.targets == target).sum().item())

# %% [markdown]
# ## 2. From texts to a batch
#
# **Tokens and embeddings.** A network computes with numbers, so each token (a word or a punctuation
# mark) becomes a vector of F = 96 numbers, its *embedding*. spaCy computes it: `nlp =
# spacy.load("en_core_web_sm")` loads a [pipeline](https://spacy.io/usage/processing-pipelines),
# `nlp("Oil prices fall again")` returns a document, and each of its tokens has an attribute
# `token.vector`. For many texts, `nlp.pipe(texts, batch_size=len(texts))` yields one document per
# text, in order, and is faster than one call per text. A vector is a NumPy array:
# `torch.from_numpy` makes a tensor of it. `torch.stack` makes one matrix, (tokens, F), of a list of
# such tensors; it needs at least one. Can a text have no token at all?
#
# These vectors are *contextual*: a small network computes them from a token and its neighbours, so
# *fall* gets one vector in *prices fall* and a different one in *this fall*. That network learned
# to tag words and to parse sentences. So the vectors know much about grammar and little about
# topics. (The small pipeline has [no word
# vectors](https://spacy.io/usage/linguistic-features#vectors-similarity) in a table; the medium and
# large ones do.)

# %%
start = perf_counter()
nlp = spacy.load("en_core_web_sm")
loaded = perf_counter() - start
nlp("The first text takes longer.")
start = perf_counter()
list(nlp.pipe([text for _, text in rows("train")[:32]], batch_size=32))
print(f"loading the pipeline: {loaded:.1f} s, a batch of 32: {perf_counter() - start:.1f} s")
for text in ("Oil prices fall again", "It opens this fall"):
    fall = next(token for token in nlp(text) if token.text == "fall")
    print(f"{text:24} {fall.vector.shape}", fall.vector[:4].round(2), "...")

# %% [markdown]
# **Padding.** A tensor is rectangular, but sentences differ in length. So short sentences are
# filled up with vectors of zeros after their last token. That is *padding*. A batch of B = 3
# sentences, T = 5:
#
# ```
#               t = 1    t = 2    t = 3    t = 4    t = 5
# sentence 1    Oil      prices   fall     again    .
# sentence 2    Rain     stopped  play     0        0
# sentence 3    Goal     !        0        0        0
# ```
#
# Every entry stands for 96 numbers, and `0` for 96 zeros; the tensor has shape (B, T, F) = (3, 5,
# 96). PyTorch has a function for it,
# [`pad_sequence`](https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pad_sequence.html);
# its argument `batch_first` decides which dimension comes first.
#
# > **You may read elsewhere** that all batches must have the same size. They need not: within one
# > batch all rows have the same length, but every batch may have its own B and its own T. PyTorch's
# > recurrent layers accept that without being told.

# %% [markdown]
# **From samples to a batch.** A `DataLoader` draws B samples and calls its *collate function* to
# combine them. [The default
# one](https://docs.pytorch.org/docs/stable/data.html#working-with-collate-fn) stacks tensors along
# a new first dimension and leaves texts as they are. It knows nothing about padding, so it fails if
# tensors differ in shape. That is why you need your own.

# %%
pairs = [("Oil prices fall", torch.tensor(2)), ("Goal !", torch.tensor(1))]
print(next(iter(DataLoader(pairs, batch_size=2))))
try:
    next(iter(DataLoader([torch.zeros(3, 96), torch.zeros(2, 96)], batch_size=2)))
except RuntimeError as error:
    print("RuntimeError:", error)

# %% [markdown]
# **Why a class?** Loading a spaCy pipeline costs about as much time as a batch or more (measured
# above), and a collate function is called for each batch. So the pipeline must be loaded once and
# kept somewhere. An object of a class can
# do that: `__init__` runs once, when the object is created; `__call__` runs each time the object is
# called *like a function*. Some call such an object a *functor*. A smaller example:


# %%
class FirstWords:
    """Keeps the first words of each text."""

    def __init__(self, count):
        print("__init__ runs once")
        self.count = count

    def __call__(self, batch):
        """Shorten the texts of a batch."""
        print("__call__ runs once per batch")
        return [" ".join(text.split()[: self.count]) for _, text in batch]


first_words = FirstWords(count=4)  # an object ...
for batch in DataLoader(rows("train")[:4], batch_size=2, collate_fn=first_words):  # ... called
    print(batch)

# %% definition="collate.Collate"

# %% check="collate"
check("collate", Collate)

# %% [markdown]
# **Predict.** Your `Collate` gets the three sentences *Rain stopped play*, *Goal!* and *Shares of
# the airline fell sharply*. What is the shape of the padded tensor? Write it instead of the dots,
# as in `(1, 2, 3)`, and run the cell.

# %% predict=true
predict(
    "three-sentences",
    answer=(3, 6, 96),
    computed=padded.shape,
    hint="How many sentences are there, how many tokens has the longest, how long is a vector?",
)

# %%
three = ["Rain stopped play", "Goal!", "Shares of the airline fell sharply"]
padded, targets = Collate()([(text, torch.tensor(0)) for text in three])
print(tuple(padded.shape), tuple(targets.shape))

# %% [markdown]
# **Try it.** Now a batch of news. How much of it is padding?

# %%
collate = Collate()
batches = DataLoader(NewsDataset(rows("train")), batch_size=16, shuffle=True, collate_fn=collate)
plots.padding(next(iter(batches))[0])

# %% [markdown]
# **Compute the vectors once.** A model sees all texts many times; one pass over them is an *epoch*.
# spaCy would compute the same vectors in each one. The cell below computes them once, with your two
# parts, and keeps them: a function with `@cache` above it runs once for each argument, and then
# returns what it returned before. A `DataLoader` shuffles and pads the vectors in each epoch, which is
# quick. (If you change `NewsDataset` or `Collate`, run this cell again.)


# %%
@cache
def embedded(split):
    """Return the token vectors (T, F) and the target of each news item, without padding."""
    batches = DataLoader(NewsDataset(rows(split)), batch_size=50, collate_fn=Collate())
    return [
        (sentence[sentence.any(dim=1)], target)
        for padded, targets in batches
        for sentence, target in zip(padded, targets, strict=True)
    ]


def stack(pairs):
    """Pad the first elements of pairs to the same length, and stack the second ones."""
    rows, targets = zip(*pairs, strict=True)
    return nn.utils.rnn.pad_sequence(rows, batch_first=True), torch.stack(targets)


def loader(split, data=embedded):
    """Return batches of 32; those of the training data are drawn in a new order in each epoch."""
    return DataLoader(data(split), batch_size=32, shuffle=split == "train", collate_fn=stack)


lengths = [len(sentence) for sentence, _ in embedded("train")]
mean = sum(lengths) / len(lengths)
print(f"tokens per news item: from {min(lengths)} to {max(lengths)}, {mean:.0f} on average")

# %% [markdown]
# ## 3. How a network learns
#
# Before the news, a problem that fits into one picture: points in the plane. A point belongs to
# class 1 if it is near the origin, and to class 0 otherwise. A network of two `Linear` layers gets
# the coordinates and gives two scores, the *logits*. Nothing here is graded, but everything here
# occurs again in parts 5 and 6.


# %%
def draw_points(count, seed):
    """Draw points (N, 2) at random, with their classes (N,)."""
    points = torch.randn(count, 2, generator=torch.Generator().manual_seed(seed))
    return points, (points.norm(dim=1) < 1.2).long()


torch.manual_seed(0)  # "random" numbers, the same ones in every run
points, classes = draw_points(200, seed=1)
net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
print("points", tuple(points.shape), "-> logits", tuple(net(points).shape))

# %% [markdown]
# **One step** has four lines. The *loss* says how wrong the logits are. *Cross-entropy* first turns
# them into probabilities by a *softmax*, $p_c = e^{z_c} / \sum_k e^{z_k}$: all are positive, and
# they sum to 1. Then it takes $-\log$ of the probability of the right class: 0 if that is 1, and
# large if it is near 0. `backward()` computes the gradient of the loss with respect to every
# weight. The optimizer moves each weight a little against its gradient;
# [Adam](https://arxiv.org/abs/1412.6980) adapts the size of that step to each weight. Run this cell
# a few times and watch the loss fall.

# %%
loss = nn.functional.cross_entropy(net(points), classes)  # expects logits: no softmax before it
optimizer.zero_grad()
loss.backward()
optimizer.step()
print(loss, "as a number:", loss.item())

# %% [markdown]
# **`.item()`.** The loss is a tensor that remembers how it was computed (`grad_fn`), and so keeps
# all intermediate results in memory. To collect losses, collect `loss.item()`, a plain `float`.
#
# **`zero_grad()`.** `backward()` *adds* to the gradients that are there already. That is useful
# sometimes, but in a training loop the gradients of the previous batch must be cleared.
#
# **Predict.** `backward()` is called twice, without `zero_grad()` in between, and the weights stay
# the same. By which factor is the gradient larger than after one call?

# %% predict=true
predict(
    "gradients-add-up",
    answer=2,
    computed=factor,
    hint="The second call computes the same gradient again, and adds it.",
)

# %%
net.zero_grad()
nn.functional.cross_entropy(net(points), classes).backward()
once = net[0].weight.grad.clone()
nn.functional.cross_entropy(net(points), classes).backward()
factor = (net[0].weight.grad / once).mean().item()
print("the gradient is", factor, "times as large")

# %% [markdown]
# **Two modes.** `net.train()` and `net.eval()` do not train or evaluate anything: they set the
# attribute `training` of the network and of all its layers. Most layers ignore it. *Dropout*, which
# part 9 tries, does not: in training mode it sets random numbers to zero (and enlarges the others),
# so that a network does not rely on single ones; in eval mode it does nothing. So: training mode
# before you train, eval mode before you measure. A function that measures should leave the mode as
# it found it: it can note `net.training` first, and call `net.train(noted)` at the end, which sets
# either mode.

# %%
dropout = nn.Dropout(0.5)
print("train:", dropout.train()(torch.ones(8)))
print("eval: ", dropout.eval()(torch.ones(8)), " training =", dropout.training)

# %% [markdown]
# **`no_grad()`** is independent of the mode. It tells PyTorch to compute no gradients, and so not
# to remember anything for them: that saves time and memory where you only measure.
#
# **Device.** A tensor is in the memory of one *device*, `"cpu"` or a GPU such as `"cuda"`. What is
# computed together must be on the same device: `net.to(device)` moves the weights of a network in
# place, but `tensor.to(device)` returns a moved copy, so write `points = points.to(device)`. To
# write code that works everywhere, ask the network where it is:

# %%
with torch.no_grad():
    logits = net(points)
print("requires_grad:", net(points).requires_grad, "and with no_grad:", logits.requires_grad)
device = next(net.parameters()).device
print("the network is on", device, "| GPU available:", torch.cuda.is_available())

# %% [markdown]
# **A complete loop.** Small batches are faster than the whole data set at once: the weights improve
# many times per epoch. After each epoch, the network is
# measured on *held-out* points, which it does not learn from.


# %%
def measure(net, inputs, targets):
    """Return the loss and the accuracy on inputs (N, F) with targets (N,)."""
    net.eval()
    with torch.no_grad():
        logits = net(inputs)
    loss = nn.functional.cross_entropy(logits, targets)
    return loss.item(), (logits.argmax(dim=1) == targets).float().mean().item()


def fit(net, training, held_out, epochs, lr):
    """Train a network; return its losses on the training and the held-out data per epoch."""
    inputs, targets = training
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)  # once: it remembers past gradients
    losses = {"training": [], "held-out": []}
    for _ in range(epochs):
        net.train()
        for batch in torch.randperm(len(inputs)).split(32):  # indices, in a new order
            loss = nn.functional.cross_entropy(net(inputs[batch]), targets[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses["training"].append(measure(net, *training)[0])
        losses["held-out"].append(measure(net, *held_out)[0])
    return losses


held_out = draw_points(400, seed=2)
losses = fit(net, (points, classes), held_out, epochs=20, lr=0.02)
print(f"accuracy on held-out points: {measure(net, *held_out)[1]:.2f}")

# %% [markdown]
# **A network as a class.** `nn.Sequential` passes what one layer returns to the next. If a network
# does anything else, write it as a class: a subclass of
# [`nn.Module`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html). Its `__init__`
# creates the layers, after `super().__init__()`. Every layer that is stored in an attribute belongs to
# the network: `parameters()`, `to(device)` and `train()` find it. `forward` says how inputs become
# logits; it runs when the network is called, as in `net(points)`. This is the network from above:


# %%
class Net(nn.Module):
    """Two Linear layers with a tanh between them."""

    def __init__(self, hidden):
        super().__init__()
        self.first = nn.Linear(2, hidden)
        self.second = nn.Linear(hidden, 2)

    def forward(self, points):
        """Return the logits, (N, 2)."""
        return self.second(torch.tanh(self.first(points)))


net = Net(hidden=16)
losses = fit(net, (points, classes), held_out, epochs=20, lr=0.02)
print("weights:", [tuple(weights.shape) for weights in net.parameters()])
print(f"accuracy on held-out points: {measure(net, *held_out)[1]:.2f}")

# %% [markdown]
# **Overfitting.** Now with labels that are wrong in one case of six. A network that learns from few
# points soon knows them by heart, including the wrong labels: its training loss keeps falling while
# its held-out loss *rises*. That is overfitting. More data helps, and so does a smaller network,
# dropout, or stopping where the held-out loss is smallest (*early stopping*).


# %%
def draw_noisy(count, seed):
    """Draw points whose classes are wrong in one case of six."""
    points, classes = draw_points(count, seed)
    flip = torch.rand(count, generator=torch.Generator().manual_seed(seed)) < 1 / 6
    return points, torch.where(flip, 1 - classes, classes)


lines = {}
for count in (40, 400):
    torch.manual_seed(0)
    wide = nn.Sequential(
        nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2)
    )
    noisy = draw_noisy(count, seed=1), draw_noisy(400, seed=2)
    lines[f"{count} training points"] = fit(wide, *noisy, epochs=80, lr=0.01)
plots.loss_lines(lines, x="epoch")

# %% [markdown]
# **Training, validation, test.** The weights are fitted to the *training* set, so it says nothing
# about new data. The *validation* set does, until you use it to choose: if you keep the best of
# twenty models, its validation accuracy is a little too good, because you also chose for luck. So
# there is a third part, the *test* set. Look at it once, when all choices are made.
#
# **How sure is a number?** An accuracy $p$ on $n$ items has a standard error of
# $\sqrt{p(1-p)/n}$. On 200 items that is:

# %%
for accuracy in (0.6, 0.9):
    error = (accuracy * (1 - accuracy) / 200) ** 0.5
    print(f"{accuracy:.0%} on 200 items: give or take {error:.1%}")

# %% [markdown]
# ## 4. A yardstick
#
# Is an accuracy of 60 % good? Guessing gives 25 %, but that is a weak opponent. A *baseline* is the
# simplest method that could work; a model that does not beat it is not worth the trouble. Here are
# two, each with a single `Linear` layer.
#
# **Bag of words.** List all words that occur more than once in the training texts. A text becomes a
# vector with a 1 for each word that it contains. The order of the words is lost.

# %%
results = {}  # accuracies on the validation set, for the table in part 8


def words(text):
    """Return the words of a text, in lower case."""
    return re.findall(r"[a-z]+", text.lower())


counts = Counter(word for _, text in rows("train") for word in words(text))
frequent = sorted(word for word, count in counts.most_common(5_000) if count > 1)
vocabulary = {word: number for number, word in enumerate(frequent, start=1)}  # 0 is for padding


def bags(split):
    """Return which words each text contains, (N, V), and the targets, (N,)."""
    bag = torch.zeros(len(rows(split)), len(vocabulary) + 1)
    for row, (_, text) in enumerate(rows(split)):
        for word in words(text):
            if word in vocabulary:
                bag[row, vocabulary[word]] = 1
    return bag, torch.tensor([label - 1 for label, _ in rows(split)])


torch.manual_seed(0)
counting = nn.Linear(len(vocabulary) + 1, len(news.CLASSES))
fit(counting, bags("train"), bags("valid"), epochs=10, lr=0.01)
results["bag of words"] = measure(counting, *bags("valid"))[1]
print(f"{len(vocabulary)} words, accuracy {results['bag of words']:.2f}")

# %% [markdown]
# Each word has one weight per class, so one can read what was learned. The words with the largest
# weights for each class:

# %%
for name, weights in zip(news.CLASSES, counting.weight.detach(), strict=True):
    best = weights.topk(7).indices.tolist()
    print(f"{name:10}", ", ".join(frequent[number - 1] for number in best))

# %% [markdown]
# **Mean vector.** The mean of the token vectors of a text, (F,), also ignores the order. It is a
# baseline for your LSTM, which reads the same vectors.


# %%
def means(split):
    """Return the mean token vector of each text, (N, F), and the targets, (N,)."""
    sentences, targets = zip(*embedded(split), strict=True)
    return torch.stack([sentence.mean(dim=0) for sentence in sentences]), torch.stack(targets)


torch.manual_seed(0)
averaging = nn.Linear(96, len(news.CLASSES))
fit(averaging, means("train"), means("valid"), epochs=20, lr=0.03)
results["mean vector"] = measure(averaging, *means("valid"))[1]
print(f"accuracy {results['mean vector']:.2f}")

# %% [markdown]
# Counting words wins by far. A topic shows in single words such as *profit* or *goal*, and a bag of
# words has a weight for each of them. spaCy's small vectors were trained for grammar: that *profit*
# is a singular noun after a verb is what they know best. And 96 numbers must do for all words.
#
# **When is counting enough?** When single words decide, as they do for topics, and when there are
# enough labelled texts to have seen most of these words. It is not enough where order matters (*the
# dog bites the man*, *not good at all*), where words are rare or misspelt, or where you want to
# generate text. Always measure it first.

# %% [markdown]
# ## 5. The model
#
# A recurrent network reads a sentence token by token and keeps a *hidden state* $h$, H numbers that
# sum up what it has read so far. At every step the same *cell* computes the next state, from the
# vector of the token and the state before. The first state is zeros. What the last one holds can be
# classified:

# %%
plots.classifier()

# %% [markdown]
# **Inside an LSTM cell.** A plain cell rewrites its whole state at every step, and soon forgets. An
# LSTM (*long short-term memory*, Hochreiter and Schmidhuber, 1997) has a second, protected state,
# the cell state $c$. Three *gates*, numbers between 0 and 1, decide at every step: the forget gate
# $f$, how much of each number of $c$ stays (1 keeps it, 0 erases it); the input gate $i$, how much
# of something new, $g$, is added; the output gate $o$, how much of $c$ shows in $h$. You need no
# more than that here. *Recurrent layers*, part 4, goes through the picture step by step, and so
# does [Dive into Deep Learning](https://d2l.ai/chapter_recurrent-modern/lstm.html).

# %%
plots.lstm_cell("all")

# %% [markdown]
# **Two directions, several layers.** Yours is *bidirectional*: one direction reads from left to
# right (its hidden states are $f_1$ to $f_4$ below), the other from right to left ($b_4$ to $b_1$).
# The second layer reads, at each step, both states of the first one side by side, 2H numbers.
#
# [`nn.LSTM`](https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html) returns
# `output, (h_n, c_n)`. `output` holds *all* steps of the *last* layer, (B, T, 2H) with
# `batch_first=True`: at step t the forward and the backward state side by side. `h_n` holds the
# *final* hidden state of *each* layer and direction, (L * D, B, H): the state after the direction's
# own last step.

# %%
plots.last_states()

# %% [markdown]
# Look at the last layer, backward: $b_4$ is computed first, when only *again* has been read, and
# $b_1$ last, when the whole sentence has. A classifier needs the two states that have read
# everything: $f_4$ and $b_1$ of the last layer.
#
# > **You may read elsewhere** that `batch_first=True` moves the batch of `h_n` to the front as
# > well. It does not: `h_n` is (L * D, B, H) either way. Nor does an LSTM pass its states on to the
# > next batch by itself: called without states, it starts from zeros, which is right here, because
# > each batch holds new texts.
#
# **Predict.** An LSTM with L = 3 layers, both directions and H = 64 reads a batch of shape
# (32, 40, 96). What is the shape of `h_n`? And, in the second cell, of `output`?

# %% predict=true
predict(
    "h-n-three-layers",
    answer=(6, 32, 64),
    computed=h_n.shape,
    hint="One row per layer and direction comes first, then the batch.",
)

# %%
lstm = nn.LSTM(96, 64, num_layers=3, batch_first=True, bidirectional=True)
output, (h_n, c_n) = lstm(torch.zeros(32, 40, 96))
print("h_n", tuple(h_n.shape))

# %% predict=true
predict(
    "output-two-directions",
    answer=(32, 40, 128),
    computed=output.shape,
    hint="All steps, but only the last layer; both directions are side by side.",
)

# %%
print("output", tuple(output.shape))

# %% [markdown]
# **Your model:** the LSTM, then those two states side by side, then ReLU, then a `Linear` layer that
# returns C logits. No softmax: the loss function applies it. Two rows of `h_n` have shape (B, H) each;
# `torch.cat([a, b], dim=1)` puts them side by side, (B, 2H). ReLU makes negative numbers zero
# (`torch.relu`).

# %% definition="model.LSTMClassifier"

# %% check="model"
check("model", LSTMClassifier)

# %% [markdown]
# **Try it.** An untrained model has opinions, too. What does it make of a batch of news?

# %%
torch.manual_seed(0)
untrained = LSTMClassifier(n_targets=len(news.CLASSES))
padded, targets = next(iter(loader("train")))
with torch.no_grad():
    logits = untrained(padded)
print("logits of shape (B, C) =", tuple(logits.shape))
print("right by luck:", (logits.argmax(dim=1) == targets).float().mean().item())
print("parameters:", sum(weights.numel() for weights in untrained.parameters()))

# %% [markdown]
# **What does padding do?** Your model may read padded steps as if they were tokens. Packing tells
# the LSTM the lengths, so that it reads the tokens only. The picture shows the last layer:

# %%
plots.padded_states()

# %% [markdown]
# **Predict.** An LSTM with random weights reads a sentence that is followed by 5, 20 or 40 vectors
# of zeros. Which of its two final states moves further away from what it is without padding,
# `"forward"` or `"backward"`?

# %% predict=true
predict(
    "padding-moves-a-state",
    answer="forward",
    computed="forward" if moved[0] > moved[1] else "backward",
    choices=("forward", "backward"),
    hint="Which direction reads the sentence after the zeros, and which one before?",
)

# %%
torch.manual_seed(0)
lstm = nn.LSTM(96, 64, batch_first=True, bidirectional=True)
sentence, _ = embedded("valid")[0]
with torch.no_grad():
    _, (alone, _) = lstm(sentence[None])
    for zeros in (0, 5, 20, 40):
        _, (h_n, _) = lstm(torch.cat([sentence, torch.zeros(zeros, 96)])[None])
        moved = ((h_n - alone).norm(dim=2) / alone.norm(dim=2)).flatten().tolist()
        print(f"{zeros:2} zeros: forward moves by {moved[0]:4.0%}, backward by {moved[1]:4.0%}")

# %% [markdown]
# So the same sentence gets different states in different batches. A model can learn to live with
# that, because the LSTM can learn to keep its state when it reads zeros, but it has to spend
# training data on it. Your task allows both, padded and packed; part 8 measures the difference.
#
# > **You may read elsewhere** that packing fills short sentences with zeros. That is padding. A
# > `PackedSequence` holds no zeros at all, which is the point of it (*Words to tensors*, part 4).

# %% [markdown]
# ### Question 1
#
# If your model reads padded steps: what do they do to the forward state `h_n[-2]` of a short
# sentence? And to its backward state `h_n[-1]`? What can one do about it? (three or four sentences)

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
# everything runs. Why is it wrong all the same? Name what each half of it has read.

# %% [markdown] question="last-output" points=5
# *A full answer says:* `output[:, -1]` holds the states at the last *time step* (`[f4, b4]` in the
# picture). The forward half is right: it has read the whole sentence. The backward direction starts
# there: its half has read the last token only (in a padded batch: a vector of zeros), so nearly all
# that this direction could tell is lost. The right one is at the first step, `output[:, 0, H:]`.
#
# *Marks:* 2 the backward half has read one token only, 1 the forward half is right, 1 in a padded
# batch that token may be padding, 1 where the right state is.

# %% [markdown]
# ## 6. Training
#
# Now the loop of part 3, for your model and for batches from a `DataLoader`. You write it as two
# functions, and every step on the way can be run.
#
# **Step 1: one batch.** If a model cannot learn a single batch by heart, something is wrong with
# it. That is a good first test of any network. The loss should start near $\log C$, about 1.39,
# which is the loss of a model that finds all classes equally likely, and fall clearly.

# %%
torch.manual_seed(0)
padded, targets = next(iter(loader("train")))
model = LSTMClassifier(n_targets=len(news.CLASSES))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for step in range(16):
    logits = model(padded)
    loss = nn.functional.cross_entropy(logits, targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 5 == 0:
        print(f"step {step:2}: loss {loss.item():.2f}")

# %% [markdown]
# **Step 2: the mean over samples.** The last batch is usually smaller than the others. If you
# average the batches' mean losses, each sample of the small batch counts more than one of a large
# batch. So add up the *sums* over samples and divide by the number of samples once, at the end.
# With batches of 64, 64, 64 and 8 points:

# %%
with torch.no_grad():
    every = nn.functional.cross_entropy(net(points), classes, reduction="none")  # one per point
sizes, batch_means = zip(
    *[(len(each), each.mean().item()) for each in every.split(64)], strict=True
)
print("batch sizes", sizes)
print("mean over points: ", every.mean().item())
print("mean over batches:", sum(batch_means) / len(batch_means))

# %% [markdown]
# **Step 3: `evaluate`.** It is like `measure` above, but for a loader of batches; it moves each
# batch to the device, and restores the mode of the model.

# %% definition="train.evaluate"

# %% [markdown]
# Try it on an untrained model: the loss should be about 1.39 and the accuracy about 0.25.

# %%
torch.manual_seed(0)
print(evaluate(LSTMClassifier(n_targets=len(news.CLASSES)), loader("valid"), "cpu"))

# %% [markdown]
# **Step 4: `train`.** It is like `fit` above, with `evaluate` after each epoch. Its `train_loss` is
# the *running* training loss: the mean of the losses that you compute for the steps anyway, over
# all samples of the epoch. Remember the mode: `evaluate` restores the one it found, and you decide
# which one an epoch starts with. If `device` is `None`, use the device that the model is on.

# %% definition="train.train"

# %% check="train"
check("train", evaluate, train)

# %% [markdown]
# **Try it.** Your four parts together: a first training run. Before you start it: which of the two
# yardsticks will your model reach?
#
# **Predict.** Which will have the higher validation accuracy, `"counting"` (the bag of words) or
# `"reading"` (your LSTM after 8 epochs)?

# %% predict=true
predict(
    "counting-or-reading",
    answer="counting",
    computed="counting" if results["bag of words"] > history[-1]["val_accuracy"] else "reading",
    choices=("counting", "reading"),
    hint="Remember what the token vectors know, and what 800 texts can teach.",
)


# %%
@cache
def first_run(epochs=8):
    """Train your model; return it with its history."""
    torch.manual_seed(0)
    model = LSTMClassifier(n_targets=len(news.CLASSES))
    batches = progress(loader("train"), epochs)  # the same batches, with a progress bar
    return model, train(model, batches, loader("valid"), epochs=epochs, lr=0.002)


model, history = first_run()
results["your model"] = history[-1]["val_accuracy"]
plots.curves(history, {name: results[name] for name in ("bag of words", "mean vector")})

# %% [markdown]
# The accuracy jumps up and down by some points from epoch to epoch. With 200 validation items that
# is mostly noise: remember the standard error of about 3.5 points.

# %% [markdown]
# ### Question 3
#
# Look at the two loss curves. What do they say about what the model is doing in the later epochs?
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
# ## 7. What has it learned?
#
# **Your own headline.** Write some. Can you find one that the model gets wrong with high
# confidence? It has learned from a headline with a sentence or two, about 40 tokens in all. Does it
# do better if you add a sentence?


# %%
def classify(texts):
    """Return the probability of each class for each text, (B, C)."""
    model, _ = first_run()
    padded, _ = Collate()([(text, torch.tensor(0)) for text in texts])
    model.eval()
    with torch.no_grad():
        return model(padded).softmax(dim=1)


headlines = [
    "Oil prices fall again",
    "Oil prices fall again Crude slipped below 40 dollars a barrel in New York as demand slowed.",
    "Striker scores twice in cup final The visitors led until the 80th minute, then lost 2-1.",
    "Write a headline of your own here",
]


def show(texts, probabilities):
    """Print the probabilities of the classes below each text."""
    for text, row in zip(texts, probabilities.tolist(), strict=True):
        print(text)
        print("   ", *(f"{name} {p:.0%} " for name, p in zip(news.CLASSES, row, strict=True)))


show(headlines, classify(headlines))

# %% [markdown]
# **Which classes does it confuse?** In a *confusion matrix* each row is a true class, each column a
# predicted one. The diagonal is right.


# %%
def probabilities_of(model, batches):
    """Return a model's class probabilities for all samples, (N, C), and the targets, (N,)."""
    model.eval()
    with torch.no_grad():
        pairs = [(model(padded).softmax(dim=1), targets) for padded, targets in batches]
    probabilities, targets = zip(*pairs, strict=True)
    return torch.cat(probabilities), torch.cat(targets)


probabilities, targets = probabilities_of(first_run()[0], loader("valid"))
plots.confusion(targets, probabilities.argmax(dim=1))

# %% [markdown]
# **The most confident errors** are worth reading one by one. Is the model wrong, or is the label doubtful?
# Is there a word that misled it?

# %%
probabilities, targets = probabilities_of(first_run()[0], loader("valid"))
confidence, predicted = probabilities.max(dim=1)
wrong = (predicted != targets).nonzero().flatten().tolist()
for i in sorted(wrong, key=lambda i: -confidence[i])[:5]:
    true, guess = news.CLASSES[targets[i]], news.CLASSES[predicted[i]]
    print(f"{true}, taken for {guess} ({confidence[i]:.0%}):\n    {rows('valid')[i][1][:150]}")

# %% [markdown]
# ## 8. Better ways to read
#
# Your model makes one vector out of a sentence: its two final states. There are other ways, and
# they need only a few lines each. All of them use a *mask*, which says for each step whether it is
# a token or padding, (B, T).
#
# - **Packed.** `pack_padded_sequence` gives the LSTM the lengths: final states without padding.
# - **Mean and max over time.** *Pool* the outputs of all tokens: their mean, or the largest value
#   of each feature. A word in the middle then has a short way to the loss, and need not be
#   remembered to the end.
# - **Attention.** A weighted mean, whose weights the model chooses: a `Linear` layer scores each
#   step, a softmax over the tokens turns the scores into weights. This is a simple form of the
#   attention that [Bahdanau et al., 2015](https://arxiv.org/abs/1409.0473) introduced for
#   translation, and that transformers are built on.
#
# There is no ReLU in these models: hidden states lie between -1 and 1, and a ReLU drops the
# negative half of what they say. Your task asks for one; what happens if you put it in here?


# %%
class Reader(nn.Module):
    """An LSTM in both directions, a way to make one vector of its outputs, and a Linear layer."""

    def __init__(self, pool, features=96, hidden=64, dropout=0.0):
        super().__init__()
        self.pool = pool
        self.layer = nn.LSTM(features, hidden, batch_first=True, bidirectional=True)
        self.score = nn.Linear(2 * hidden, 1)  # for attention
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(2 * hidden, len(news.CLASSES))

    def forward(self, padded):
        """Return the logits, (B, C)."""
        mask = padded.any(dim=2)
        lengths = mask.sum(dim=1).clamp(min=1)
        if self.pool == "packed":
            packed = pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False)
            _, (h_n, _) = self.layer(packed)  # (2, B, H): one layer, two directions
            vector = h_n.transpose(0, 1).flatten(1)
        else:
            output, _ = self.layer(padded)
            if self.pool == "max":
                vector = output.masked_fill(~mask[..., None], -1).amax(dim=1)  # states are above -1
            else:
                weights = self.weights(output, mask)
                vector = (weights[..., None] * output).sum(dim=1)
        return self.linear(self.dropout(vector))

    def weights(self, output, mask):
        """Return the weight of each step, (B, T): 0 at padding, 1 in all."""
        scores = self.score(output).squeeze(2) if self.pool == "attention" else mask.float()
        return scores.masked_fill(~mask, -torch.inf).softmax(dim=1)  # equal scores: a plain mean


def compare(name, model, data=embedded, epochs=7, lr=0.006):
    """Train a model with your loop, note its accuracy, and return it."""
    history = train(model, loader("train", data), loader("valid", data), epochs=epochs, lr=lr)
    accuracies = [epoch["val_accuracy"] for epoch in history[-3:]]  # the mean of three jumps less
    results[name] = sum(accuracies) / 3
    print(f"{name:24} {results[name]:.2f}")
    return model


@cache
def reading(pool):
    """Train a Reader."""
    torch.manual_seed(0)
    return compare(f"LSTM, {pool}", Reader(pool))


# %% [markdown]
# All models below have one layer and H = 64. First the final states, once as your model reads them
# and once packed:

# %%
# Experiment: takes about 20 seconds
torch.manual_seed(0)
one_layer = LSTMClassifier(n_targets=len(news.CLASSES), num_layers=1)
one_layer = compare("your model, one layer", one_layer)
packed = reading("packed")
# %% [markdown]
# And now pooled over all tokens:

# %%
# Experiment: takes about 20 seconds
for pool in ("mean", "max", "attention"):
    reading(pool)

# %% [markdown]
# **Where does attention look?** The darker a word, the larger its weight. Do not take it for an
# explanation: the output at a token has read the tokens around it, too, so a dark comma may stand
# for its neighbours ([Jain and Wallace, 2019](https://aclanthology.org/N19-1357/)).

# %%
# Experiment
reader = reading("attention")
for (_, text), (sentence, _) in zip(rows("valid")[:2], embedded("valid"), strict=False):
    with torch.no_grad():
        output, _ = reader.layer(sentence[None])
        weights = reader.weights(output, sentence[None].any(dim=2))[0].tolist()
    tokens = [token.text for token in nlp.make_doc(text)]
    plots.attention(tokens, weights)

# %% [markdown]
# **Word vectors of your own.** All of these read spaCy's vectors. Others can be learned from the
# training texts, without their labels (*self-supervised*): words with similar neighbours get
# similar vectors. Here they come from counts: how much more often do two words stand within 8 words
# of each other than chance would have it (the *pointwise mutual information*)? A singular value
# decomposition compresses that table to 32 numbers per word. The lesson *Beyond the classifier*
# learns such vectors by gradients, as [Word2Vec](https://arxiv.org/abs/1301.3781) does; [Levy,
# Goldberg and Dagan, 2015](https://aclanthology.org/Q15-1016/) compare both.


# %%
def numbers(text):
    """Return the numbers of a text's words in the vocabulary; 0 if none is in it."""
    return [vocabulary[word] for word in words(text) if word in vocabulary] or [0]


pairs = Counter()
for _, text in rows("train"):
    ids = numbers(text)
    for distance in range(1, 9):
        pairs.update(zip(ids, ids[distance:], strict=False))
together = torch.zeros(len(vocabulary) + 1, len(vocabulary) + 1)
together[tuple(torch.tensor(list(pairs)).T)] = torch.tensor([*pairs.values()], dtype=torch.float)
together += together.T.clone()
chance = together.sum(dim=0, keepdim=True) * together.sum(dim=1, keepdim=True) / together.sum()
information = (together / chance.clamp(min=1e-9)).clamp(min=1).log()

torch.manual_seed(0)
left, strength, _ = torch.svd_lowrank(information, q=32, niter=4)
vectors = left * strength.sqrt()
vectors *= 0.3 / vectors.std()  # from tiny inputs an LSTM learns slowly
near = nn.functional.normalize(vectors, dim=1)
for word in [each for each in ("goal", "space", "minister", "season") if each in vocabulary]:
    nearest = (near @ near[vocabulary[word]]).argsort(descending=True)[1:7]
    print(f"{word:10}", ", ".join(frequent[number - 1] for number in nearest.tolist()))

# %% [markdown]
# The vectors become the first layer of a model, an `nn.Embedding`: a table that turns numbers of
# words, (B, T), into vectors, (B, T, F). It is trained further with the rest.


# %%
@cache
def numbered(split):
    """Return the numbers of the words, (T,), and the target of each news item."""
    return [(torch.tensor(numbers(text)), torch.tensor(label - 1)) for label, text in rows(split)]


@cache
def reading_own_vectors():
    """Train a Reader on the vectors from above."""
    torch.manual_seed(0)
    table = nn.Embedding.from_pretrained(vectors.clone(), freeze=False, padding_idx=0)
    print(f"{table.weight.numel():,} numbers in the table of vectors")
    reader = nn.Sequential(table, Reader("max", features=table.embedding_dim, hidden=32))
    return compare("LSTM, max, own vectors", reader, numbered)


# %%
# Experiment
own = reading_own_vectors()
plots.accuracies(results, items=len(rows("valid")))

# %% [markdown]
# And what does it make of your headlines from part 7?

# %%
# Experiment
own = reading_own_vectors().eval()
padded, _ = stack([(torch.tensor(numbers(text)), torch.tensor(0)) for text in headlines])
with torch.no_grad():
    show(headlines, own(padded).softmax(dim=1))

# %% [markdown]
# What does the table say? Compare your own numbers with these remarks, and remember the bars: some
# neighbours in the table are closer than one standard error.
#
# - *Packing* usually gains some points: the final states are not washed out by zeros. (If your
#   model packs already, these two rows agree.)
# - *Pooling and attention* usually gain more: the words that decide may be anywhere in a text of 40
#   tokens. Your task asks for the final states because they are harder to get right, not because
#   they are better.
# - *The vectors* matter more than the way to read them: our own word vectors know which words
#   belong to one topic.
# - *Counting* is hard to beat on topics, even with all 120,000 texts of AG News: the
#   [paper that introduced it](https://arxiv.org/abs/1509.01626) has a bag of words ahead of an LSTM.
#   What overtakes both are networks that have read far more text before.

# %% [markdown]
# ## 9. Experiments
#
# A single run says little: another *seed* draws other initial weights and another order of the
# batches. So run each setting with three seeds, and look at the spread before you believe in a
# difference. And write down your guess first: a result that you expected anyway teaches little.


# %%
def with_seeds(make, data=embedded, epochs=5, lr=0.006):
    """Train a model three times; return the validation accuracy of each run."""
    runs = []
    for seed in range(3):
        torch.manual_seed(seed)
        batches = loader("train", data), loader("valid", data)
        history = train(make(), *batches, epochs=epochs, lr=lr)
        runs.append(history[-1]["val_accuracy"])
    return runs


# %% [markdown]
# **The learning rate** is the first thing to tune. Three values for your model (one layer, H = 32).

# %%
# Experiment: takes about 20 seconds
my_guess = "Which of 0.0003, 0.003 and 0.03 is best, which is worst, and why? ..."


def small():
    """Create your model, with one small layer."""
    return LSTMClassifier(len(news.CLASSES), hidden_size=32, num_layers=1)


rates = {f"lr = {lr}": with_seeds(small, lr=lr) for lr in (0.0003, 0.003, 0.03)}
plots.accuracies(rates, items=len(rows("valid")))

# %% [markdown]
# Too small a rate has not arrived after five epochs; too large a rate jumps over the valleys of the
# loss. Between them there is a wide range in which it matters little.
#
# **Dropout** is meant to reduce overfitting. The table of the model with its own word vectors alone
# has far more weights than there are texts (part 8 printed how many). Does dropout help it?

# %%
# Experiment: takes about 15 seconds
my_guess = "Will dropout raise the validation accuracy? By how much, with which spread? ..."


def with_dropout(dropout):
    """Create the model of part 8 that reads our word vectors."""
    table = nn.Embedding.from_pretrained(vectors.clone(), freeze=False, padding_idx=0)
    return nn.Sequential(
        table, Reader("max", features=table.embedding_dim, hidden=32, dropout=dropout)
    )


dropouts = {
    f"dropout = {dropout}": with_seeds(partial(with_dropout, dropout), numbered)
    for dropout in (0.0, 0.3, 0.6)
}
plots.accuracies(dropouts, items=len(rows("valid")))

# %% [markdown]
# If the dots of two settings overlap, the experiment has not shown a difference. That is a result,
# too. Ideas for more: hidden size, number of layers, `weight_decay` of Adam, early stopping,
# `nn.GRU` instead of `nn.LSTM`.
#
# **The test set, once.** All choices are made. How good are the models on news that nobody has used
# for anything?

# %%
# Experiment
final = {"bag of words": measure(counting, *bags("test"))[1]}
models = {f"LSTM, {pool}": reading(pool) for pool in ("packed", "mean", "max", "attention")}
for name, model in {"your model": first_run()[0], **models}.items():
    final[name] = evaluate(model, loader("test"), "cpu")[1]
_, accuracy = evaluate(reading_own_vectors(), loader("test", numbered), "cpu")
final["LSTM, max, own vectors"] = accuracy
plots.accuracies(final, items=len(rows("test")))

# %% [markdown]
# ## 10. News it has not seen
#
# Nothing to write here: your model, trained by your loop, has to classify other news. It takes a
# little while. (It counts as not started until parts 5 and 6 are written.)

# %% check="accuracy"
check("accuracy")

# %% [markdown]
# ## What you have learned
#
# - A `Dataset` gives samples by index; a collate function makes a padded batch of them.
# - `h_n` holds the final hidden state of each layer and direction, `output` all steps of the last
#   layer. The backward direction has read everything at the *first* step.
# - Padding changes states; packing, masks and pooling deal with it.
# - Training mode to train, eval mode and `no_grad` to measure; means over samples; a validation set
#   to choose with, a test set for the end; several seeds.
# - A baseline comes first. On topics, counting words is strong; the vectors that a network reads
#   matter more than the way it reads them.
#
# **What comes next.** An LSTM squeezes a sentence through one state, step by step. Attention lets
# every token look at every other one directly; the
# [transformer](https://arxiv.org/abs/1706.03762) consists of little else. Trained on large amounts
# of text first ([BERT](https://aclanthology.org/N19-1423/)), it is what most text classifiers start
# from today. Recurrent networks live on where data arrive step by step and memory is short: speech
# on a phone, sensors, time series; and in new forms for very long sequences, such as
# [Mamba](https://arxiv.org/abs/2312.00752) and [xLSTM](https://arxiv.org/abs/2405.04517). To read
# on: [Dive into Deep Learning, chapter 10](https://d2l.ai/chapter_recurrent-modern/index.html), and
# the lesson *Beyond the classifier* here.
#
# **Before you hand in:** *Kernel, Restart Kernel and Run All Cells*, look through the tables once
# more, save. The run stops at the first cell that fails; the parts below it are graded all the same.
# If your Jupyter has a button *Validate*, it says whether every check passes.
