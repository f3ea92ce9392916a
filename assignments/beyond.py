# %% [markdown]
# # Beyond the classifier
#
# A classifier reads a text and returns one of a few classes. The same parts can do more: learn what
# words mean without any labels, and write text. In this lesson you train word vectors, measure how
# good a language model and a translation are, and train two models that write: one that turns a
# sequence into another sequence, and one that writes news letter by letter.
#
# **Afterwards you can**
#
# - train word vectors on plain text, and say what they know and what they do not;
# - measure a language model by its perplexity, on text that it has not seen;
# - compute BLEU, and say where it misjudges a translation;
# - train a decoder with and without teacher forcing, explain exposure bias, and see what attention does;
# - train a language model on one long text, and control how boldly it writes.
#
# **You need** tensors and a training loop in PyTorch, and what an LSTM returns: its outputs and its
# state (lesson *Recurrent layers*). The [glossary](docs/glossary.md) explains the terms in two
# sentences each.
#
# | part | what you do | difficulty | minutes | points |
# |---|---|---|---|---|
# | 1. A word and its neighbours | write `skip_gram_pairs` | easy | 20 | {points:skip_grams} |
# | 2. A loss without a softmax over all words | write `negative_sampling_loss` | medium | 30 | {points:negative_sampling} |
# | 3. Train the vectors | write `train_word_vectors` | hard | 60 | {points:word2vec} |
# | 4. How surprised is a language model? | write `perplexity` | easy | 30 | {points:perplexity} |
# | 5. How good is a translation? | write `corpus_bleu` | hard | 45 | {points:bleu} |
# | 6. A decoder and its teacher | write `decode` | medium | 55 | {points:teacher_forcing} |
# | 7. A text that is longer than its gradient | write `train_on_text` | hard | 60 | {points:truncated} |
# | all parts |  |  | 300 | {points} |
# | questions, on top | answer in your own words |  | 30 | {points:questions} |
# | predictions, on top | guess first, right or wrong |  |  | {points:predictions} |
#
# **How to work.** Run the cells from top to bottom (Shift + Enter). Where you see `raise
# NotImplementedError(...)`, put your own code in its place. A cell that starts with `check(` tells
# you what is right and what is not, and offers hints; run it as often as you like. Where a cell
# starts with `predict(`, write down what you expect *before* you run the next cell: you remember a
# surprise better than a fact. Cells that begin with `# Experiment` are not needed for any check.
# Each part is graded independently, so you can skip one and continue. Keep the names of the
# functions, and do not change the cells that check. If a cell needs a part that is not written yet,
# one line says which; if it stops with `NameError`, a cell further up has not run yet. Leave the
# arguments of your functions as they are: whoever calls them still needs them.
#
# | letter | meaning |
# |---|---|
# | B | batch size: pairs, sentences or texts |
# | T | time steps: the words or characters of one sentence or chunk |
# | F | features of a word vector |
# | H | hidden size: the numbers in the state of a decoder |
# | V | vocabulary size: how many different words there are |
# | K | negatives: words drawn at random for each pair |
# | C | classes: the tokens that could come next |
# | N | how many there are in all: pairs, or characters of a text |

# %% setup=true

# %% imports=true

# %%
import re
from time import perf_counter

from spacy.lang.en.stop_words import STOP_WORDS

import news
from grader import plots
from grader.notebook import check, predict

# %% [markdown]
# ## 1. A word and its neighbours
#
# *You shall know a word by the company it keeps*, wrote the linguist J. R. Firth in 1957. Take a
# gap, as in *prices of ___ fall*: oil fits, and so do wheat and copper, but Tuesday does not. Words
# that fit into the same gaps have similar meanings.
#
# Word2Vec ([Mikolov et al., 2013](https://arxiv.org/abs/1301.3781)) turns this idea into a task:
# given a word, the *centre*, predict the words near it, its *context*. Nobody has to label anything,
# because the text itself holds the answers. Learning of this kind is called *self-supervised*; large
# language models are trained in the same way.
#
# Each pair (centre, context) of words that are at most `window` positions apart is one training
# example:

# %%
plots.window("oil prices fall again in Asia", size=2)

# %% [markdown]
# This is the *skip-gram* form of Word2Vec. Its twin, *CBOW* (continuous bag of words), works the
# other way round: it predicts the centre from the mean of the context vectors.
#
# A network needs numbers, so each word is first replaced by its id, its position in a list of all
# words. If *oil* is 7, *prices* 2 and *fall* 5, the sentence `[7, 2, 5]` with `window=1` gives the
# pairs (7, 2), (2, 7), (2, 5), (5, 2).

# %% definition="skip_grams.skip_gram_pairs"

# %% check="skip_grams"
check("skip_grams", skip_gram_pairs)

# %% [markdown]
# **Predict.** How many pairs does a sentence of 6 words give with `window=2`?

# %% predict=true
predict(
    "pairs-of-six-words",
    answer=18,
    computed=len(pairs),
    hint="Count the neighbours of each word: the first word has only two.",
)

# %%
sentence = ["oil", "prices", "fall", "again", "in", "Asia"]
pairs = skip_gram_pairs(range(len(sentence)), window=2)
print(len(pairs), "pairs:", *[f"{sentence[a]}-{sentence[b]}" for a, b in pairs.tolist()])

# %% [markdown]
# ## 2. A loss without a softmax over all words
#
# Each word gets two vectors of F numbers: one for its role as a centre, one for its role as
# context. The dot product of a centre's vector and a context's vector is the score of the pair: it
# should be high if the two words occur together.
#
# You could ask for the right context among all V words: a softmax over V scores, as in a
# classifier. *Negative sampling* ([Mikolov et al., 2013](https://arxiv.org/abs/1310.4546)) asks an
# easier question: is this pair from the text, or was it made up? For each true pair, draw K words
# at random, the *negatives*. The sigmoid $\sigma(s) = 1 / (1 + e^{-s})$ maps any score to a number
# from 0 to 1, which is read as the probability of "from the text". The loss of a pair is
#
# $$-\log \sigma(\text{centre} \cdot \text{context})
#   - \sum_{k=1}^{K} \log \sigma(-\text{centre} \cdot \text{negative}_k)$$
#
# The first term pulls words that occur together towards each other, the second pushes the others
# apart. Both are needed: without the second term, the best solution is to make all vectors the
# same.
#
# Two functions help. `torch.einsum("bf,bf->b", x, y)` multiplies number by number and sums over the
# letter that is missing on the right: here a dot product per row. And `functional.logsigmoid(s)`
# is $\log \sigma(s)$ without its trap: for a very negative score the sigmoid is rounded to 0, and the
# logarithm of 0 is minus infinity. Compare the work:

# %%
V, F, B, K = 100_000, 64, 128, 5
centre, all_words = torch.randn(B, F), torch.randn(V, F)
context, negatives = torch.randn(B, F), torch.randn(B, K, F)

begin = perf_counter()
functional.cross_entropy(centre @ all_words.T, torch.randint(V, (B,)))
print(f"softmax:            {B * V:>10,} scores in {1000 * (perf_counter() - begin):6.1f} ms")
begin = perf_counter()
positive = functional.logsigmoid(torch.einsum("bf,bf->b", centre, context))
negative = functional.logsigmoid(-torch.einsum("bf,bkf->bk", centre, negatives))
print(f"negative sampling:  {B * (K + 1):>10,} scores in {1000 * (perf_counter() - begin):6.1f} ms")
score = torch.tensor(-200.0)
print("log of the sigmoid of -200:", score.sigmoid().log().item())
print("logsigmoid of -200:        ", functional.logsigmoid(score).item())

# %% definition="negative_sampling.negative_sampling_loss"

# %% check="negative_sampling"
check("negative_sampling", negative_sampling_loss)

# %% [markdown]
# **Predict.** All vectors are zero and `K = 5`. What is the loss, to two decimals? (The sigmoid of 0
# is one half, and `math.log(2)` is 0.693.)

# %% predict=true
predict(
    "loss-of-zeros",
    answer=4.16,
    computed=loss.item(),
    hint="One true pair and five negatives each add minus the logarithm of one half.",
)

# %%
loss = negative_sampling_loss(torch.zeros(8, 16), torch.zeros(8, 16), torch.zeros(8, 5, 16))
print(loss.item())

# %% [markdown]
# A loss at the start that differs much from this number is a sign of a mistake. The same check
# works for any classifier: with C classes, an untrained one starts near $\log C$.

# %% [markdown]
# ## 3. Train the vectors
#
# Now an ordinary training loop: shuffle the pairs, go through them in batches, look up the vectors,
# compute the loss, take a step. A table of vectors is an
# [`nn.Embedding(V, F)`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Embedding.html);
# called with ids, it returns their rows. `nn.init.normal_(table.weight, std=0.1)` draws its numbers
# again, `torch.randint(V, (B, K))` draws random ids, and `torch.randperm(N).split(B)` gives batches of
# indices in a random order.
#
# The check trains your vectors on words from the news, without some of the pairs. Then it looks at
# the pairs that were held out: if the vectors have learned something, words that occur together are
# nearer to each other than words that never do. (The check uses a correct loss of its own, so a
# mistake in part 2 costs nothing here.)

# %% definition="word2vec.train_word_vectors"

# %% check="word2vec"
check("word2vec", train_word_vectors)

# %% [markdown]
# **Try it** on the training news. Word2Vec was made for billions of words, and this is a small
# sample, so we help:
#
# - The window is as wide as a news item. Wide windows find words of the same *topic*; narrow ones
#   find words of the same *kind*, such as two days of the week.
# - Words that occur fewer than five times are left out, as there is too little to learn from, and so
#   are *stop words* such as *the*, which occur beside everything. Word2Vec instead drops frequent
#   words at random, and draws a negative in proportion to $\text{count}^{0.75}$, where your function
#   draws all words alike.


# %%
def words_of(text):
    """Split a text into lower-case words of at least three letters."""
    return re.findall(r"[a-z]{3,}", text.lower())


texts = [words_of(text) for _, text in news.sample("train")]
counts = Counter(word for text in texts for word in text)
words = sorted(word for word, count in counts.items() if count >= 5 and word not in STOP_WORDS)
ids = {word: number for number, word in enumerate(words)}
kept = [[ids[word] for word in text if word in ids] for text in texts]
pairs = torch.cat([skip_gram_pairs(tokens, window=40) for tokens in kept])
print(len(words), "words,", len(pairs), "pairs")

torch.manual_seed(0)
vectors = train_word_vectors(pairs, n_words=len(words), size=32, epochs=15).detach()

# %% [markdown]
# Which words are nearest? *Near* means that the cosine of the angle between two vectors is large.
#
# Next to them are the neighbours found in another way, without training: count how often two words
# occur together, and compare that with how often they would by chance. The logarithm of this
# quotient is the *pointwise mutual information*,
# $\text{PMI}(a, b) = \log \frac{p(a, b)}{p(a)\, p(b)}$. A *singular value decomposition* (SVD) of
# the table of all PMIs shortens its rows to 32 numbers. Both ways use the same information, and
# give vectors of similar quality ([Levy et al., 2015](https://aclanthology.org/Q15-1016/));
# [GloVe](https://aclanthology.org/D14-1162/) is a mixture of the two.

# %%
together = torch.zeros(len(words), len(words))
together.index_put_((pairs[:, 0], pairs[:, 1]), torch.tensor(1.0), accumulate=True)
by_chance = together.sum(dim=1, keepdim=True) * together.sum(dim=0) / together.sum()
pmi = (together / by_chance).log().clamp(min=0)  # PMI below 0 is noise in small samples
U, S, _ = torch.linalg.svd(pmi)
counted = U[:, :32] * S[:32].sqrt()


def nearest(table, vector, n):
    """Return the n words whose vectors have the largest cosine with a vector."""
    cosines = functional.normalize(table, dim=1) @ functional.normalize(vector, dim=0)
    return [words[number] for number in cosines.topk(n).indices.tolist()]


for word in ("oil", "goal", "minister", "space", "computer", "season"):
    for way, table in (("learned", vectors), ("counted", counted)):
        print(f"{word:10}{way:9}", ", ".join(nearest(table, table[ids[word]], 7)[1:]))

# %% [markdown]
# And a map. 32 dimensions cannot be drawn, but the two in which the vectors differ most can (a
# *principal component analysis*, PCA). The colours show in which class of news a word is most
# typical. Training did not use the classes. (A dot without a word had no room for it.)

# %%
of_class = {name: Counter() for name in news.CLASSES}
for (label, _), text in zip(news.sample("train"), texts, strict=True):
    of_class[news.CLASSES[label - 1]].update(text)
typical = [
    (word, name)
    for name, seen in of_class.items()
    for word in sorted(ids, key=lambda word: seen[word] ** 2 / counts[word])[-14:]
]
shown, groups = zip(*typical, strict=True)
plots.word_map(vectors[[ids[word] for word in shown]], shown, groups)

# %% [markdown]
# **What are they good for?** Classify news by the mean of their word vectors, with a single
# `nn.Linear`. The vectors were trained without labels; only the `nn.Linear` sees some. It is tested
# on held-out news, which neither of the two has seen.


# %%
def mean_vectors(split):
    """Return the mean vector of each news item, (B, F), and the classes, (B,)."""
    rows = news.sample(split)
    known = [[ids[word] for word in words_of(text) if word in ids] for _, text in rows]
    means = [vectors[row].mean(dim=0) if row else torch.zeros(32) for row in known]
    return torch.stack(means), torch.tensor([label - 1 for label, _ in rows])


torch.manual_seed(0)
inputs, targets = mean_vectors("train")
classifier = nn.Linear(32, 4)
optimizer = torch.optim.Adam(classifier.parameters(), lr=0.05)
for _ in range(200):
    loss = functional.cross_entropy(classifier(inputs), targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
for split in ("train", "valid", "test"):
    inputs, targets = mean_vectors(split)
    right = classifier(inputs).argmax(dim=1) == targets
    print(f"{split:8}accuracy {right.float().mean():.2f}")

# %% [markdown]
# Guessing gives 0.25. Compare the result with your LSTM on spaCy's vectors (lesson *News
# classifier*). spaCy's small model has learned to find parts of speech and names, so its vectors
# know more about grammar than about topics. With
# [`nn.Embedding.from_pretrained`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Embedding.html#torch.nn.Embedding.from_pretrained)
# an LSTM can start from your own vectors.
#
# There is one thing that they cannot do. A word has one vector here, whatever sentence it is in: the
# *bank* of a river and the *bank* that lends money share theirs. Vectors that depend on the sentence
# are called *contextual*. An LSTM's outputs are, and those of models such as
# [BERT](https://arxiv.org/abs/1810.04805).

# %% [markdown]
# **Arithmetic with words.** A famous example is *king* - *man* + *woman*, which is near *queen*. Let
# us see how much there is to it.
#
# **Predict.** Add the vectors of two random words. Which word's vector is nearest to the sum, most
# of the time: `"one of the two"` or `"a third word"`?

# %% predict=true
predict(
    "sum-of-two-words",
    answer="one of the two",
    computed="one of the two" if shares["a + b"] > 0.5 else "a third word",
    choices=("one of the two", "a third word"),
    hint="The sum of two vectors lies between them. In many dimensions, what else lies there?",
)

# %%
torch.manual_seed(0)
a, b, c = torch.randint(len(words), (3, 1000))
directions = functional.normalize(vectors, dim=1)
shares = {}
for name, result in (
    ("a + b", directions[a] + directions[b]),
    ("a - b + c", directions[a] - directions[b] + directions[c]),
):
    best = (result @ directions.T).argmax(dim=1)
    is_input = (best == a) | (best == b) | (best == c)
    shares[name] = is_input.float().mean().item()
    print(
        f"{name:10}the nearest word is one of the words put in: {shares[name]:.0%} of 1,000 times"
    )

# %% [markdown]
# > **You may read elsewhere** that word vectors can be added like meanings, as in *king + cap =
# > crown*. The sum of two words is nearest to one of the two. Even for *king - man + woman*, programs
# > find *queen* because they leave out the three words that were put in; *king* itself is often
# > nearer. The directions are real, but weaker than the equation suggests
# > ([Linzen, 2016](https://arxiv.org/abs/1606.07736)).
#
# **Bias.** Vectors learn whatever their texts contain, including what one would rather not teach.
# Count who is written about:

# %%
pronouns = {"he, him, his": {"he", "him", "his"}, "she, her, hers": {"she", "her", "hers"}}
for number, name in enumerate(news.CLASSES, 1):
    tokens = [
        re.findall("[a-z]+", text.lower())
        for label, text in news.sample("train")
        if label == number
    ]
    found = Counter(token for text in tokens for token in text)
    print(f"{name:10}", {group: sum(found[word] for word in of) for group, of in pronouns.items()})

# %% [markdown]
# From such texts, vectors learn that sport is male. In vectors trained on large corpora, *programmer*
# is nearer to *he* and *homemaker* to *she* ([Bolukbasi et al., 2016](https://arxiv.org/abs/1607.06520)),
# and the associations match human prejudice ([Caliskan et al., 2017](https://arxiv.org/abs/1608.07187)).
# A model that ranks applications with such vectors passes this on. So ask which texts a model has
# learned from, and test it on pairs of inputs that differ only in such a word.

# %% [markdown]
# ### Question 1
#
# Explain to a fellow student what Word2Vec is and how its vectors are learned. What plays the part
# of the labels? What are negatives for? Why do words that never occur together end up close to each
# other? (five or six sentences)

# %% [markdown] question="word2vec" points=5
# *A full answer says:* Word2Vec learns a vector for each word from plain text, so that words that
# are used alike have similar vectors. Skip-grams predict the words within a window around a word;
# these neighbours are the labels, so nobody has to label anything (self-supervised). A pair is
# scored by the dot product of the centre's and the context's vector; the sigmoid of the score is
# trained to be near 1 for true pairs and near 0 for pairs with words drawn at random. These
# negatives replace a softmax over all words, which would be slow, and keep the vectors from all
# becoming the same. Two words with the same neighbours are pulled towards the same context vectors,
# and so towards each other, even if they never occur together (*oil* and *wheat* beside *prices*).
#
# *Marks:* 1 vectors from text without labels made by people, 1 predicts neighbours in a window, 1
# dot product and sigmoid (or softmax) and gradient steps on vectors, 1 what negatives are for, 1
# shared contexts bring words together.

# %% [markdown]
# ## 4. How surprised is a language model?
#
# A language model says at each step how probable each of C tokens is to come next. How good is it?
# Look at the probability $p$ that it gave to the token that did come: the higher, the less the model
# was surprised. The mean of $-\log p$ over all N tokens is the cross-entropy that you know as a loss.
# *Perplexity* is e to the power of this mean:
#
# $$\text{perplexity} = \exp\Big(-\frac{1}{N} \sum_{i=1}^{N} \log p_i\Big)$$
#
# It is easier to interpret: with a perplexity of 20, the model is as unsure as if it had to guess
# among 20 equally likely tokens.
#
# Sentences in a batch are padded to the same length, and nobody has to predict padding. So padding
# must not count: neither in the sum nor in the number of tokens.

# %% definition="perplexity.perplexity"

# %% check="perplexity"
check("perplexity", perplexity)

# %% [markdown]
# **Try it** on letters. One text is for training. The other is *held out*: no model may learn from
# it. (`padding=-100` is an id that does not occur, so nothing is left out.)


# %%
def text_of(*splits):
    """Join news into one text of lower-case letters, spaces, full stops and commas."""
    texts = [text.lower() for split in splits for _, text in news.sample(split)]
    return re.sub(r"[^a-z .,]", "", " ".join(texts))


letters = sorted(set(text_of("train")))
train_ids = torch.tensor([letters.index(letter) for letter in text_of("train")])
heldout_ids = torch.tensor([letters.index(letter) for letter in text_of("valid", "test")])
C = len(letters)
print(f"{C} letters; {len(train_ids):,} for training, {len(heldout_ids):,} held out")

# %% [markdown]
# **Predict.** A model that knows nothing gives each of the 29 letters the same score: its perplexity
# is 29. Another model gives a probability of 0.99 to one letter at each step, and it is always the
# wrong one. Is its perplexity `"above"` or `"below"` 29?

# %% predict=true
predict(
    "certain-and-wrong",
    answer="above",
    computed="above" if certain > 29 else "below",
    choices=("above", "below"),
    hint="What probability is left for the letter that really comes?",
)

# %%
targets = heldout_ids[:1000][None]  # (1, T)
print(f"knows nothing:     {perplexity(torch.zeros(1, 1000, C), targets, padding=-100):8.2f}")
wrong = functional.one_hot((targets + 1) % C, C)
logits = (0.99 * wrong + 0.01 / (C - 1) * (1 - wrong)).log()
certain = perplexity(logits, targets, padding=-100)
print(f"certain and wrong: {certain:8.2f}")

# %% [markdown]
# So C is not the maximum. It is what guessing costs, and a model can do much worse.
#
# Now models that count. An *n-gram model* looks at the last letters, its context, and predicts
# what followed the same context in the training text. (It adds 0.1 to each count, so that nothing
# is impossible.)
#
# **Predict.** With a context of 0 letters the model knows only how frequent each letter is. How
# many letters of context, 0 to 5, give the lowest perplexity on the *held-out* text?

# %% predict=true
predict(
    "best-context",
    answer=3,
    computed=min(heldout, key=heldout.get),
    hint="A longer context says more, but how often did the training text have the same one?",
)


# %%
def contexts(ids, n):
    """Return one number for the n letters before each letter, from the sixth letter on."""
    number = torch.zeros(len(ids) - 5, dtype=torch.int64)
    for back in range(1, n + 1):
        number = number * C + ids[5 - back : -back]
    return number


train, heldout = {}, {}
for n in range(6):
    both = torch.cat([contexts(train_ids, n), contexts(heldout_ids, n)])
    known, rows = both.unique(return_inverse=True)
    train_rows, heldout_rows = rows.split([len(train_ids) - 5, len(heldout_ids) - 5])
    follows = torch.full((len(known), C), 0.1)
    follows.index_put_((train_rows, train_ids[5:]), torch.tensor(1.0), accumulate=True)
    logits = follows.log()
    train[n] = perplexity(logits[train_rows][None], train_ids[None, 5:], padding=-100)
    heldout[n] = perplexity(logits[heldout_rows][None], heldout_ids[None, 5:], padding=-100)
    print(f"{n} letters of context: training text {train[n]:5.2f}, held-out text {heldout[n]:5.2f}")

# %% [markdown]
# On the text that it has counted, a longer context always looks better: in the end the model knows
# that text by heart. This is *overfitting*, and only held-out text shows it. A perplexity on the
# training text says nothing about how good a language model is.
#
# Keep the best number: in part 7 an LSTM has to beat it, on the same letters.

# %% [markdown]
# ### Question 2
#
# What does perplexity measure? Model A has a perplexity of 30 on a text, model B one of 60. What
# does that tell you, and when must you not compare two perplexities? (three or four sentences)

# %% [markdown] question="perplexity" points=5
# *A full answer says:* perplexity is e (or 2, with logarithms to that base) to the power of the
# mean negative log-probability that a model gave to the tokens that really came: how many equally
# likely tokens it was choosing among, on average. A was less surprised by the text: it gave the
# true tokens, in the (geometric) mean, twice the probability that B gave them. Perplexities can be
# compared only on the same held-out text with the same tokens: a model of characters and one of
# words, or two vocabularies (with more or fewer unknown words), are measured in different units,
# and the text that a model was trained on flatters it. Perplexity says nothing about whether what a
# model writes is true or useful.
#
# *Marks:* 2 what it is (mean negative log-likelihood, exponential) or its meaning as a number of
# choices, 1 lower is better and A is less surprised, 1 same tokens or vocabulary, 1 same text, not
# trained on.

# %% [markdown]
# ## 5. How good is a translation?
#
# Many translations of a sentence are right, so comparing word by word is no use. *BLEU*
# ([Papineni et al., 2002](https://aclanthology.org/P02-1040/)) compares n-grams, runs of n words:
# which share of those in the translation also occur in a reference translation?
#
# - **Four precisions.** $p_1$ for single words, up to $p_4$ for runs of four, which depend on the
#   word order. They are counted over the whole corpus: add up all matches, add up all n-grams, then
#   divide once.
# - **Clipping.** *the the the the* has only words of the reference *the cat sat*. So an n-gram
#   matches at most as often as it occurs in the reference: one match of four.
# - **Brevity penalty.** A translation of two safe words has high precisions. If the translations
#   have c words in all, no more than the r words of the references, the score is multiplied by
#   $\exp(1 - r / c)$.
# - BLEU is 100 times this penalty times the geometric mean of the precisions:
#
# $$\text{BLEU} = 100 \cdot \min\big(1, e^{1 - r/c}\big) \cdot (p_1 p_2 p_3 p_4)^{1/4}$$
#
# By hand, for one sentence:
#
# | | | words |
# |---|---|---|
# | reference | oil prices fall again in early trading | r = 7 |
# | translation | crude prices fall again in early | c = 6 |
#
# *crude* is the only word without a match, and each n-gram with it is lost: $p_1 = \frac56$,
# $p_2 = \frac45$, $p_3 = \frac34$, $p_4 = \frac23$. Their product is $\frac13$.
#
# The geometric mean is 0 as soon as one $p_n$ is. For a corpus that hardly ever happens; for a
# single sentence it often does. Some programs *smooth* such zeros. Yours does not.

# %% definition="bleu.corpus_bleu"

# %% check="bleu"
check("bleu", corpus_bleu)

# %% [markdown]
# **Predict.** What is the BLEU of the example above, to one decimal? Use Python as a calculator: the
# product of the precisions is 1/3, c is 6, and r is 7.

# %% predict=true
predict(
    "bleu-by-hand",
    answer=64.3,
    computed=score,
    decimals=1,
    hint="Multiply 100, the penalty, which is below 1, and the fourth root of the product.",
)

# %%
reference = ["oil", "prices", "fall", "again", "in", "early", "trading"]
translation = ["crude", "prices", "fall", "again", "in", "early"]
score = corpus_bleu([translation], [reference])
print(f"{score:.1f}")

# %% [markdown]
# Now judge for yourself: where do you agree with BLEU?

# %%
reference = "the central bank raised its key interest rate again on tuesday"
for translation in (
    reference,
    "on tuesday the central bank raised its key interest rate again",
    "the central bank raised its key interest rate",
    "the central bank lowered its key interest rate again on tuesday",
    "the central bank has once more lifted its main rate on tuesday",
    "tuesday on again rate interest key its raised bank central the",
    "the the the the the the the the the the the",
):
    print(f"{corpus_bleu([translation.split()], [reference.split()]):6.1f}  {translation}")

# %% [markdown]
# **Limits.** BLEU compares strings, not meanings. One reference is one of many right answers, and
# scores depend on how the text was split into tokens, which is why papers use one program for all
# ([sacreBLEU](https://aclanthology.org/W18-6319/)). It was made to compare systems on a whole
# corpus; between two good systems it is often wrong
# ([Mathur et al., 2020](https://arxiv.org/abs/2006.06264)). Today it is reported together with
# [chrF](https://aclanthology.org/W15-3049/), which compares characters, or
# [COMET](https://aclanthology.org/2020.emnlp-main.213/), a network trained on human judgements.

# %% [markdown]
# ### Question 3
#
# How does BLEU work? Say what each of its parts is for: precisions of several lengths, clipping,
# the brevity penalty, counting over the corpus. Then name one thing in the examples above that it
# judges badly. (five or six sentences)

# %% [markdown] question="bleu" points=5
# *A full answer says:* BLEU counts which share of the n-grams of the translations occur in their
# references: single words show whether the right words are there, longer runs whether their order
# is right; the geometric mean of p_1 to p_4 is taken. Clipping lets an n-gram match at most as often
# as it occurs in the reference, so that repeating a frequent word does not pay. As precision alone
# favours translations that leave things out, a corpus shorter than its references is multiplied by
# exp(1 - r / c). Counts are summed over the corpus before dividing, because single sentences often
# have no match of four words, and short ones would weigh too much. Judged badly: *lowered* instead
# of *raised* reverses the meaning and still scores high; a correct paraphrase scores low or 0.
#
# *Marks:* 1 n-gram precisions and why several n, 1 clipping, 1 brevity penalty, 1 corpus-level sums
# or geometric mean and zeros, 1 a fair weakness seen in the examples.

# %% [markdown]
# ## 6. A decoder and its teacher
#
# A *sequence-to-sequence* model (*seq2seq*, [Sutskever et al., 2014](https://arxiv.org/abs/1409.3215))
# has two parts. An *encoder* reads a sentence; a *decoder* starts from the encoder's last state and
# writes another sentence, token by token. At each step the decoder is fed the previous token. But
# which one: the one that it wrote itself, or the one that it should have written?

# %%
plots.teacher()

# %% [markdown]
# Here the decoder makes a mistake in its second step: it writes *rise* instead of *fall*.
#
# With *teacher forcing* (top) it is always fed the right token, whatever it has written. It learns
# fast, because one early mistake does not spoil the rest of the sentence. But in use there is no
# teacher (bottom): the decoder reads its own mistake, and it has never learned how to go on from
# there. This gap between training and use is called *exposure bias*.
#
# A ratio between the two does some of both: at each step, a random number from 0 to 1 decides
# ([Bengio et al., 2015](https://arxiv.org/abs/1506.03099), who lower the ratio during training, call
# it *scheduled sampling*).
#
# In the task below, `step` is an argument that is itself a function, like `key` in
# `sorted(words, key=len)`: your loop calls it. It is one step of the decoder. It takes the tokens
# that are fed, (B,), and the state, and returns the logits (B, C) and the new state.

# %% definition="teacher_forcing.decode"

# %% check="teacher_forcing"
check("teacher_forcing", decode)

# %% [markdown]
# **Try it** with a decoder that needs no training. It counts: fed 0, it writes 1, and so on. But it
# has one flaw: fed 3, it writes 7.
#
# **Predict.** The right tokens are 1, 2, 3, 4, 5, 6, and the start token is 0. With `ratio=1` it
# writes 1, 2, 3, 7, 5, 6. What does it write with `ratio=0`? Write six numbers, as in
# `(1, 2, 3, 4, 5, 6)`.

# %% predict=true
predict(
    "counting-alone",
    answer=(1, 2, 3, 7, 8, 9),
    computed=written.tolist(),
    hint="After its mistake it is fed 7, not 4.",
)


# %%
def count(tokens, state):
    """Write the next number, but 7 after 3. The state is not used."""
    return functional.one_hot(torch.where(tokens == 3, 7, tokens + 1), 10).float(), state


for ratio in (1.0, 0.0):
    logits = decode(count, torch.zeros(1, 1), torch.tensor([[1, 2, 3, 4, 5, 6]]), 0, ratio)
    written = logits[0].argmax(dim=1)
    print(
        f"ratio {ratio:.0f}: shape of the logits (B, T, C) = {tuple(logits.shape)}, written",
        written.tolist(),
    )

# %% [markdown]
# **Now with learning.** Read seven digits, write them in reverse order. The encoder and the decoder
# are given; your `decode` runs the decoder.


# %%
class Reverser(nn.Module):
    """An encoder and a decoder with a state of H = 64 numbers; token 10 starts a sequence."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 16)
        self.encoder = nn.GRU(16, 64, batch_first=True)
        self.cell = nn.GRUCell(16, 64)
        self.output = nn.Linear(64, 10)

    def step(self, tokens, state):
        """Map tokens (B,) and a state (B, H) to logits (B, C) and the new state."""
        state = self.cell(self.embedding(tokens), state)
        return self.output(state), state

    def forward(self, digits, targets, ratio):
        """Read digits (B, T), and write as many: the logits (B, T, C)."""
        _, h_n = self.encoder(self.embedding(digits))
        return decode(self.step, h_n[-1], targets, start=10, ratio=ratio)


def train_reverser(kind, ratio, seed, length=7):
    """Train a model of a kind on 400 batches of 64 sequences."""
    torch.manual_seed(seed)
    model = kind()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    for _ in range(400):
        digits = torch.randint(10, (64, length))
        targets = digits.flip(dims=[1])
        logits = model(digits, targets, ratio)
        loss = functional.cross_entropy(logits.transpose(1, 2), targets)  # expects (B, C, T)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


# %% [markdown]
# Each ratio is trained three times, from different initial weights: one run could be luck. Then
# each model writes 1,000 new sequences, once with the right tokens as inputs and once on its own.
# The plots show how many digits are right at each position. A line is the mean of the three runs,
# and the band around it reaches from the worst to the best.

# %%
# Experiment: takes about half a minute
digits = torch.randint(10, (1000, 7), generator=torch.Generator().manual_seed(1))
targets = digits.flip(dims=[1])
ways = {"fed the right digits": 1.0, "on its own": 0.0}
right = {way: {} for way in ways}
for ratio in (1.0, 0.5, 0.0):
    models = [train_reverser(Reverser, ratio, seed) for seed in range(3)]
    for way, fed in ways.items():
        with torch.no_grad():
            written = [model(digits, targets, fed).argmax(dim=2) for model in models]
        right[way][f"trained with ratio {ratio}"] = torch.stack(
            [(each == targets).float().mean(dim=0) for each in written]
        )
plots.by_position(right)

# %% [markdown]
# **Attention.** There is a second weakness: whatever the encoder has read must fit into one state, a
# *bottleneck*, and the longer the sequence, the tighter it is. *Attention* ([Bahdanau et al.,
# 2014](https://arxiv.org/abs/1409.0473)) lets each step of the decoder look back at all of the encoder's
# outputs $e_1$ to $e_T$. The decoder's state $s$ is compared with each of them, and a softmax turns the
# scores into weights, which sum to 1:
#
# $$w = \mathrm{softmax}(e_1 \cdot s, \ldots, e_T \cdot s) \qquad\qquad
#   \mathrm{seen} = \sum_t w_t\, e_t$$
#
# The output layer gets $s$ and what was *seen*, side by side. (In Bahdanau's model a small network
# computes the scores; the dot product came a little later.)
#
# **Predict.** Such a model learns to reverse 12 digits. Which of the encoder's outputs, 1 to 12, gets the
# largest weight when the decoder writes its *first* digit?

# %% predict=true
predict(
    "first-look",
    answer=12,
    computed=int(weights[0].argmax()) + 1,
    hint="The sequence is written in reverse. Which digit is written first, and where was it read?",
)


# %%
# Experiment: takes about 20 seconds
class Attending(Reverser):
    """A Reverser whose decoder also sees a weighted mean of the encoder's outputs."""

    def __init__(self):
        super().__init__()
        self.output = nn.Linear(2 * 64, 10)

    def step(self, tokens, state):
        """Map tokens (B,) and a state (B, H) to logits (B, C) and the new state."""
        state = self.cell(self.embedding(tokens), state)
        weights = torch.einsum("bth,bh->bt", self.encoded, state).softmax(dim=1)
        self.weights.append(weights)
        seen = torch.einsum("bt,bth->bh", weights, self.encoded)
        return self.output(torch.cat([state, seen], dim=1)), state

    def forward(self, digits, targets, ratio):
        """Read digits (B, T), and write as many: the logits (B, T, C)."""
        self.encoded, h_n = self.encoder(self.embedding(digits))  # (B, T, H)
        self.weights = []
        return decode(self.step, h_n[-1], targets, start=10, ratio=ratio)


digits = torch.randint(10, (500, 12), generator=torch.Generator().manual_seed(1))
targets = digits.flip(dims=[1])
for kind in (Reverser, Attending):
    model = train_reverser(kind, ratio=1.0, seed=0, length=12)
    with torch.no_grad():
        written = model(digits, targets, 0.0).argmax(dim=2)
    print(
        f"{kind.__name__:10} on its own: {(written == targets).float().mean():.0%} of digits right"
    )
weights = torch.stack([step[0] for step in model.weights])  # of the first sequence, (T, T)
plots.alignment(weights, read=digits[0].tolist(), written=written[0].tolist())

# %% [markdown]
# Nobody told the model where to look. (It may look one place beside the one you expect: the encoder's
# output at a digit has read the digits before it, too.) In translation such a picture is nearly a
# diagonal, and it bends where the languages order their words differently.

# %% [markdown]
# ### Question 4
#
# What does teacher forcing do, and what does it cost? Use your plots: what do you see for ratio 1 on
# the left and on the right, and how does it change with the position? (four or five sentences)

# %% [markdown] question="teacher-forcing" points=5
# *A full answer says:* with teacher forcing the decoder is fed the right token of the previous step
# during training, not its own choice. So each step is learned under good conditions, errors do not
# pile up, learning is faster and steadier (and, for models that allow it, all steps can be computed
# at once). The cost: in use nobody supplies the right tokens, so the decoder meets inputs that it
# never saw in training, its own mistakes, and one can lead to the next (exposure bias). What is
# measured with the teacher is too optimistic: on the left ratio 1 does well at all positions, on the
# right it falls from position to position, and ends below the other two. Remedies: a ratio
# between, or one that falls during training (scheduled sampling).
#
# *Marks:* 1 what is fed, 1 why it helps, 2 the gap between training and use and what follows from
# it, 1 reads the student's own plots correctly.

# %% [markdown]
# ## 7. A text that is longer than its gradient
#
# A language model of characters reads a text letter by letter and predicts the next letter each
# time. The training news, one item after the other, make a single sequence of more than 100,000
# steps. *Back-propagation through time* (BPTT) through all of them would have to keep the states of
# every step, and after all that work the optimizer could take one step.
#
# *Truncated* back-propagation
# ([d2l.ai](https://d2l.ai/chapter_recurrent-neural-networks/bptt.html)) cuts the text into chunks of
# T letters. The state goes on from chunk to chunk, so the model knows what came before. The gradient
# does not: it ends where the chunk begins. That is what
# [`.detach()`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.detach.html) does: it
# returns the same numbers without the record of how they were computed.

# %%
plots.chunks()

# %% [markdown]
# > **You may read elsewhere** that a recurrent layer remembers earlier batches. It does not: each
# > call starts from a state of zeros, unless you pass a state as the second argument, as you do here.
# > For a classifier that would be wrong, because the sentences of different batches have nothing to
# > do with each other.

# %% definition="truncated.train_on_text"

# %% check="truncated"
check("truncated", train_on_text)

# %% [markdown]
# **Try it** on the letters of part 4. They are cut into 16 texts, which are read side by side.


# %%
class Writer(nn.Module):
    """A language model of letters: an embedding, an LSTM with H = 128, and an output layer."""

    def __init__(self, classes, hidden=128):
        super().__init__()
        self.embedding = nn.Embedding(classes, 32)
        self.layer = nn.LSTM(32, hidden, batch_first=True)
        self.output = nn.Linear(hidden, classes)

    def forward(self, ids, state=None):
        """Map ids (B, T) and a state to logits (B, T, C) and the new state."""
        outputs, state = self.layer(self.embedding(ids), state)
        return self.output(outputs), state


rows = train_ids[: len(train_ids) // 16 * 16].reshape(16, -1)
print("the texts have shape (B, N) =", tuple(rows.shape))

# %% [markdown]
# **Predict.** How many losses does `train_on_text(model, optimizer, rows, chunk=64)` return? (The
# first letter is never predicted.)

# %% predict=true
predict(
    "number-of-chunks",
    answer=182,
    computed=len(losses),
    hint="One letter less than N is predicted in each row. The last chunk may be shorter than 64.",
)

# %%
# Experiment: takes about half a minute
torch.manual_seed(0)
writer = Writer(C)
optimizer = torch.optim.Adam(writer.parameters(), lr=0.004)
for number in range(1, 7):
    losses = train_on_text(writer, optimizer, rows, chunk=64)
    with torch.no_grad():
        logits, _ = writer(heldout_ids[None, :-1])
    lstm = perplexity(logits[:, 4:], heldout_ids[None, 5:], padding=-100)
    running = math.exp(sum(losses) / len(losses))
    print(f"pass {number}: perplexity {running:5.2f} while training, {lstm:5.2f} on held-out text")
print(f"\nthe best n-gram model: {min(heldout.values()):.2f} on the same held-out text")

# %% [markdown]
# After enough passes the LSTM is ahead. It has no table of contexts, and no limit to their length: it
# has learned which of the letters it has read are worth remembering.
#
# **Let it write.** The model's logits $z$ become probabilities, a letter is drawn from them and fed
# back. The logits can be divided by a *temperature* $\tau$ first:
#
# $$p_i = \frac{\exp(z_i / \tau)}{\sum_j \exp(z_j / \tau)}$$
#
# With $\tau = 1$ these are the model's own probabilities. A lower temperature makes the likely
# letters even likelier; near 0 only the best one is left. A higher temperature makes all letters
# more alike. After *the s*:

# %%
# Experiment
temperatures = (0.3, 0.8, 1.5)
start = torch.tensor([[letters.index(letter) for letter in "the s"]])
with torch.no_grad():
    logits, _ = writer(start)
plots.temperatures(letters, {tau: (logits[0, -1] / tau).softmax(dim=0) for tau in temperatures})

# %% [markdown]
# **Predict.** At which of these temperatures are the most words real ones, that is, words that occur
# in the training text?

# %% predict=true
predict(
    "most-real-words",
    answer=0.3,
    computed=max(real, key=real.get),
    decimals=1,
    hint="Which temperature takes the fewest risks?",
)


# %%
# Experiment
@torch.no_grad()
def write(model, length, temperature, start="the "):
    """Sample each letter from the model's probabilities, and feed it back."""
    written, state = start, None
    ids = torch.tensor([[letters.index(letter) for letter in start]])
    for _ in range(length):
        logits, state = model(ids, state)
        ids = torch.multinomial((logits[:, -1] / temperature).softmax(dim=1), 1)
        written += letters[ids.item()]
    return written


torch.manual_seed(0)
vocabulary = set(text_of("train").replace(".", " ").replace(",", " ").split())
real = {}
for tau in temperatures:
    text = write(writer, 2000, tau)
    words = re.findall("[a-z]+", text)
    real[tau] = sum(word in vocabulary for word in words) / len(words)
    print(
        f"temperature {tau}: {real[tau]:.0%} real words, {len(set(words)) / len(words):.0%} different ones"
    )
    print(f"    {text[:150]}\n")

# %% [markdown]
# Too low a temperature repeats itself, too high a one writes nonsense. Which value is best depends
# on the use. Large language models are sampled in the same way, one token at a time, often with the
# unlikely tokens cut off ([Holtzman et al., 2019](https://arxiv.org/abs/1904.09751)).

# %% [markdown]
# ### Question 5
#
# An `nn.LSTM` can be called with a state: `lstm(inputs, (h_n, c_n))`. Give two examples where one
# does that, and one where it would be wrong. In your training with `chunk=64`: what does `.detach()`
# cut, and what does it keep? Can the model *use* something that it read 200 letters ago, and was it
# *trained* to? What if the rows were shuffled after each chunk? (five or six sentences)

# %% [markdown] question="carry-state" points=5
# *A full answer says:* one passes `(h_n, c_n)` when the new inputs continue the last ones or depend
# on something read before: the next chunk of a long text; writing token by token, where each call
# has one step; a decoder that starts from an encoder's last state; a stream that comes in pieces. It
# would be wrong for inputs that have nothing to do with each other, such as the shuffled sentences of
# a classifier: each starts from zeros. Detaching cuts the gradient, so no chunk's loss reaches the
# chunks before it (otherwise `backward` fails, or time and memory grow with each chunk); it keeps the
# numbers of the state. So the model can use information from 200 letters ago, but as no gradient
# reaches back more than 64 letters, nothing has trained it to keep something that long; it only
# profits from what it has learned over shorter distances. Row b of a chunk continues row b of the
# previous one: after shuffling, each text would go on from another text's state.
#
# *Marks:* 1 two examples of passing a state, 1 an example of starting from zeros, 1 the gradient is
# cut and the numbers stay, 1 the model can use what is older than a chunk but is not trained to keep
# it, 1 rows and states belong together.

# %% [markdown]
# ## What you have learned
#
# - Word vectors are learned from plain text: words in similar contexts get similar vectors. Counting
#   (PMI) finds much the same. Arithmetic with them is weaker than its fame, and they repeat the bias
#   of their texts.
# - Perplexity is the exponential of the cross-entropy. It counts only on held-out text, and only
#   between models with the same tokens.
# - BLEU counts matching n-grams, with clipping and a brevity penalty. It does not know what a
#   sentence means.
# - Teacher forcing makes learning fast and steady, at the price of exposure bias. With attention, a
#   decoder looks back at all that was read, and one state is no longer a bottleneck.
# - Truncated back-propagation carries the state on and cuts the gradient. Sampling with a
#   temperature trades safety against variety.
#
# ## What comes next
#
# - **Attention** removed the bottleneck between encoder and decoder. *Transformers*
#   ([Vaswani et al., 2017](https://arxiv.org/abs/1706.03762)) drop the recurrence altogether: every
#   token looks at all others, so all steps of a training text are computed at once, which is teacher
#   forcing in one go.
# - **Large language models** ([Brown et al., 2020](https://arxiv.org/abs/2005.14165)) are transformers
#   trained with your loss from part 4, on far more text, and sampled as in part 7.
# - **Recurrent networks today.** The cost of attention grows with the square of the length, and a
#   recurrent state has a fixed size. So recurrence lives on where data arrive as a stream or memory
#   is small, and it returns in new forms: [Mamba](https://arxiv.org/abs/2312.00752) and
#   [xLSTM](https://arxiv.org/abs/2405.04517).
#
# To try on your own: smaller windows in part 3 (which neighbours does *season* get?), longer sequences
# of digits in part 6, a larger `chunk` or a `GRU` in part 7, a text of your own instead of the news.
# Write down a guess first.
#
# To read further: [Dive into Deep Learning](https://d2l.ai/), chapters 9, 10 and 15.
#
# **Before you hand in:** *Kernel, Restart Kernel and Run All Cells*, look through the tables once
# more, save. The run stops at the first cell that fails; the parts below it are graded all the same.
# If your Jupyter has a button *Validate*, it says whether every check passes.
