# %% [markdown]
# # Beyond the classifier
#
# A classifier reads. What else can be done with the same few ideas? Here you let words learn what
# they mean from their neighbours, measure a model that writes, and train two models that do: one
# that turns a sequence into another, and one that writes news letter by letter.
#
# | part | what it does | points |
# |---|---|---|
# | `skip_gram_pairs` | lists each word with its neighbours | {points:skip_grams} |
# | `negative_sampling_loss` | says how well vectors tell neighbours from other words | {points:negative_sampling} |
# | `train_word_vectors` | learns the vectors | {points:word2vec} |
# | `perplexity` | measures how surprised a language model is | {points:perplexity} |
# | `corpus_bleu` | measures how good translations are | {points:bleu} |
# | `decode` | lets a decoder write, with its teacher's help or without | {points:teacher_forcing} |
# | `train_on_text` | trains a language model on a text that never seems to end | {points:truncated} |
# | all parts | | {points} |
# | questions, on top | to answer in your own words | {points:questions} |
#
# **How to work.** Run the cells from the top down (Shift + Enter). Where you see
# `raise NotImplementedError(...)`, put your own code in its place. The cell that starts with
# `check(` tells what is right and what is not, with a hint where you need one; run it as often as
# you like. Each part is graded apart, so you can leave one out and go on with the next. Keep the
# names of the parts, and change nothing in the cells that check.
#
# | letter | meaning |
# |---|---|
# | B | batch size: pairs, sentences or texts |
# | T | time steps: the words or characters of one sentence or chunk |
# | F | features of a word vector |
# | V | different words |
# | K | words drawn at random for each pair |
# | C | classes: the tokens that could come next |
# | N | how many there are in all: pairs, or characters of a text |

# %% setup=true

# %% imports=true

# %%
import re

import news
from grader import plots
from grader.notebook import check

# %% [markdown]
# ## 1. A word and its neighbours
#
# *You shall know a word by the company it keeps*, the linguist J. R. Firth wrote in 1957. Take any
# gap, as in *prices of ___ fall*: oil fits, and so do wheat and copper, but Tuesday does not. Words
# that fit into the same gaps mean something similar.
#
# Word2Vec turns that into a task that needs nobody to label anything: given a word, the *centre*,
# say which words stand near it, its *context*. The texts themselves tell the right answers. Each
# pair (centre, context) that is at most `window` places apart is one example.

# %%
plots.window("oil prices fall again in Asia", size=2)

# %% [markdown]
# Words become ids first, their numbers in a list of all words. If *oil* is 7, *prices* 2 and
# *fall* 5, the sentence `[7, 2, 5]` with `window=1` gives the pairs (7, 2), (2, 7), (2, 5), (5, 2).

# %% definition="skip_grams.skip_gram_pairs"

# %% check="skip_grams"
check("skip_grams", skip_gram_pairs)

# %% [markdown]
# **Try it.** The pairs of a sentence, in words again.

# %%
sentence = ["oil", "prices", "fall", "again"]
words = sorted(set(sentence))
for centre, context in skip_gram_pairs([words.index(word) for word in sentence], window=1).tolist():
    print(f"{words[centre]:8}{words[context]}")

# %% [markdown]
# ## 2. A loss that needs no softmax over all words
#
# Each word gets two vectors of F numbers: one for when it is the centre, one for when it is
# somebody's context. Their dot product is the score of the pair: high if the words go together.
#
# One could ask for the right context among all V words, with a softmax over V scores. With a
# hundred thousand words that is slow. *Negative sampling* asks an easier question: here is a pair,
# is it a true one or did I make it up? For each true pair draw K words at random, the *negatives*,
# and let the sigmoid $\sigma$ of a score be the probability of "true":
#
# $$-\log \sigma(\text{centre} \cdot \text{context})
#   - \sum_{k=1}^{K} \log \sigma(-\text{centre} \cdot \text{negative}_k)$$
#
# The first term pulls true neighbours together, the second one pushes others apart. Both are
# needed: without the second, the best answer would be to make all vectors the same.

# %% definition="negative_sampling.negative_sampling_loss"

# %% check="negative_sampling"
check("negative_sampling", negative_sampling_loss)

# %% [markdown]
# **Try it.** Vectors that know nothing score about 0, and the sigmoid of 0 is one half. So the loss
# starts near $(1 + K) \log 2$.

# %%
none = torch.zeros(8, 16), torch.zeros(8, 16), torch.zeros(8, 5, 16)
print(negative_sampling_loss(*none).item(), 6 * math.log(2))

# %% [markdown]
# ## 3. Let the vectors learn
#
# Now a training loop as you know it: shuffle the pairs, go through them in batches, look the
# vectors up, compute the loss, take a step. A table of vectors is an `nn.Embedding(V, F)`; called
# with ids it gives their rows.
#
# Your vectors are judged by words that stand together in some news item, but whose pairs were held
# back from training. If the vectors have understood something, such words lie nearer to each other
# than two words that never met. (The check brings a right loss of its own, so a mistake in part 2
# costs nothing here.)

# %% definition="word2vec.train_word_vectors"

# %% check="word2vec"
check("word2vec", train_word_vectors)

# %% [markdown]
# **Try it.** The news sample is small (Word2Vec was made for billions of words), so we take wide
# windows, and leave out both the commonest words, which stand beside everything, and the rare ones.

# %%
items = [item for split in ("train", "valid", "test") for item in news.sample(split)]
texts = [re.findall(r"[a-z]{3,}", text.lower()) for _, text in items]
counts = Counter(word for text in texts for word in text)
common = {word for word, _ in counts.most_common(100)}
words = sorted(word for word, count in counts.items() if count >= 8 and word not in common)
ids = {word: number for number, word in enumerate(words)}
kept = [[ids[word] for word in text if word in ids] for text in texts]
pairs = torch.cat([skip_gram_pairs(tokens, window=12) for tokens in kept])
print(len(words), "words,", len(pairs), "pairs")

torch.manual_seed(0)
vectors = train_word_vectors(pairs, n_words=len(words), size=32, epochs=15).detach()

# %% [markdown]
# Which words lie nearest? Near means: the cosine of the angle between two vectors is large.

# %%
directions = functional.normalize(vectors, dim=1)
for word in ("oil", "goal", "minister", "space", "computer", "season"):
    nearest = (directions @ directions[ids[word]]).argsort(descending=True)[1:7]
    print(f"{word:12}", ", ".join(words[number] for number in nearest))

# %% [markdown]
# And a map. 32 dimensions cannot be drawn, but the two in which the vectors differ most can (a
# *principal component analysis*, PCA). The colours say in which class of news a word stands most:
# the training has never seen them.

# %%
of_class = {name: Counter() for name in news.CLASSES}
for (label, _), text in zip(items, texts, strict=True):
    of_class[news.CLASSES[label - 1]].update(text)
typical = [
    (word, name)
    for name, seen in of_class.items()
    for word in sorted(ids, key=lambda word: seen[word] ** 2 / counts[word])[-14:]
]
shown, groups = zip(*typical, strict=True)
plots.word_map(vectors[[ids[word] for word in shown]], shown, groups)

# %% [markdown]
# ### Question 1
#
# Explain to a fellow student what Word2Vec is and how its vectors are learned. What plays the part
# of labels? What are negatives for? Why do words end up close together that never stand beside each
# other? (five or six sentences)

# %% [markdown] question="word2vec" points=5
# *A full answer says:* Word2Vec learns a vector for each word from plain text, so that words used
# alike have vectors alike. Skip-grams predict, from a word, the words within a window around it;
# the labels are these neighbours themselves, so nobody has to label anything. A pair is scored by
# the dot product of the centre's and the context's vector; the sigmoid of the score is trained to
# be near 1 for true pairs and near 0 for pairs with words drawn at random. These negatives take the
# place of a softmax over all words, which would be slow, and keep the vectors from all becoming the
# same. Two words with the same neighbours are pulled towards the same context vectors, and so
# towards each other, even if they never meet (*oil* and *wheat* beside *prices*).
#
# *Marks:* 1 vectors from text without labels made by people, 1 predicts neighbours in a window, 1
# dot product and sigmoid (or softmax) and gradient steps on vectors, 1 what negatives are for, 1
# shared contexts bring words together.

# %% [markdown]
# ## 4. How surprised is a language model?
#
# A language model says at each step how likely each of C tokens is to come next. How good is it?
# Look at the probability that it gave to the token that did come: the higher, the less it was
# surprised. The mean of $-\log p$ over all tokens is the loss that you know as cross-entropy.
#
# *Perplexity* is e to the power of that mean. It is easier to read: with a perplexity of 20 the
# model is as unsure as if it had to guess among 20 equally likely tokens. A sure and right model
# has 1, one that knows nothing has C.
#
# Sentences in a batch are padded to the same length, and nobody has to predict padding. So it must
# not count, neither in the sum nor in the number of tokens.

# %% definition="perplexity.perplexity"

# %% check="perplexity"
check("perplexity", perplexity)

# %% [markdown]
# **Try it.** Three models of the letters in the news: one that knows nothing, one that knows how
# frequent each letter is, and one that knows which letter likes to follow which.

# %%
news_text = re.sub(r"[^a-z .,]", "", " ".join(text.lower() for _, text in items))
letters = sorted(set(news_text))
letter_ids = torch.tensor([letters.index(letter) for letter in news_text])
before, after = letter_ids[:-1], letter_ids[1:]
follows = torch.zeros(len(letters), len(letters))
follows.index_put_((before, after), torch.tensor(1.0), accumulate=True)
models = {
    "knows nothing": torch.zeros(len(letters), len(letters)),
    "frequencies": follows.sum(dim=0).log().expand(len(letters), -1),
    "what follows what": (follows + 0.1).log(),
}
print(len(letters), "letters")
for name, logits in models.items():
    print(f"{name:20}{perplexity(logits[before][None], after[None], padding=-100):6.2f}")

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
# compared only on the same text with the same tokens: a model of characters and one of words, or
# two vocabularies (with more or fewer unknown words), are measured in different units. It says
# nothing about whether what a model writes is true or useful.
#
# *Marks:* 2 what it is (mean negative log-likelihood, exponential) or its meaning as a number of
# choices, 1 lower is better and A is less surprised, 2 same text and same tokens or vocabulary.

# %% [markdown]
# ## 5. How good is a translation?
#
# Many translations of a sentence are right, so comparing word by word is no good. *BLEU* compares
# n-grams, runs of n words: which share of those in the translation stand in the reference, too?
#
# - **Four precisions.** $p_1$ for single words, up to $p_4$ for runs of four, which see the word
#   order. They are counted over the whole corpus: add up all matches, add up all n-grams, divide
#   once.
# - **Clipping.** *the the the the* has only words of the reference *the cat sat*. So an n-gram
#   counts at most as often as it stands in the reference: one match of four.
# - **Brevity.** A translation of two sure words has high precisions. If the translations have c
#   words in all, not more than the references' r, the score is multiplied by $\exp(1 - r / c)$.
# - BLEU is 100 times this penalty times the geometric mean $(p_1 p_2 p_3 p_4)^{1/4}$.
#
# The geometric mean is 0 as soon as one $p_n$ is. For a corpus that hardly happens; for a single
# sentence it does all the time. Some programs *smooth* such zeros away. Yours does not.

# %% definition="bleu.corpus_bleu"

# %% check="bleu"
check("bleu", corpus_bleu)

# %% [markdown]
# **Try it.** What does BLEU think of these? Where do you agree with it?

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
# ### Question 3
#
# How does BLEU work? Say what each of its parts is for: precisions of several lengths, clipping,
# the brevity penalty, counting over the corpus. Then name one thing in the examples above that it
# judges badly. (five or six sentences)

# %% [markdown] question="bleu" points=5
# *A full answer says:* BLEU counts which share of the n-grams of the translations stand in their
# references: single words tell whether the right words are there, longer runs whether their order
# and flow is right; the geometric mean of p_1 to p_4 is taken. Clipping lets an n-gram match at
# most as often as it stands in the reference, so that repeating a frequent word does not pay. As
# precision alone favours translations that leave things out, a corpus shorter than its references
# is multiplied by exp(1 - r / c). Counts are summed over the corpus before dividing, because single
# sentences often have no match of four words, and short ones would weigh too much. Judged badly:
# *lowered* for *raised* turns the meaning round and still scores high; a right paraphrase scores
# low or 0.
#
# *Marks:* 1 n-gram precisions and why several n, 1 clipping, 1 brevity penalty, 1 corpus-level sums
# or geometric mean and zeros, 1 a fair weakness seen in the examples.

# %% [markdown]
# ## 6. A decoder and its teacher
#
# An *encoder* reads a sentence and hands on its last state; a *decoder* starts from that state and
# writes another sentence, token by token. At each step it is fed the token before. Which one: the
# one that it wrote itself, or the one that should stand there?

# %%
plots.teacher()

# %% [markdown]
# With *teacher forcing* (left) it is always fed the right token, whatever it has written. It learns
# fast, because one early mistake does not spoil the rest of the sentence. But once it writes on its
# own (right) nobody corrects it, and it has never learned to go on after a mistake. A ratio in
# between does some of both: at each step a number drawn from 0 to 1 decides.
#
# `step` is the decoder. It takes the tokens that are fed, (B,), and the state, and returns the
# logits (B, C) and the new state.

# %% definition="teacher_forcing.decode"

# %% check="teacher_forcing"
check("teacher_forcing", decode)

# %% [markdown]
# **Try it.** A small task: read seven digits, write them in the reversed order. The encoder and the
# decoder are ready; your `decode` runs the decoder.


# %%
class Reverser(nn.Module):
    """An encoder and a decoder of H = 64 units each; token 10 starts a sequence."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 16)
        self.encoder = nn.GRU(16, 64, batch_first=True)
        self.cell = nn.GRUCell(16, 64)
        self.read_out = nn.Linear(64, 10)

    def step(self, tokens, state):
        """Map tokens (B,) and a state (B, H) to logits (B, C) and the new state."""
        state = self.cell(self.embedding(tokens), state)
        return self.read_out(state), state

    def forward(self, digits, targets, ratio):
        """Read digits (B, T), and write as many: the logits (B, T, C)."""
        _, h_n = self.encoder(self.embedding(digits))
        return decode(self.step, h_n[-1], targets, start=10, ratio=ratio)


def reversing_loss(model, ratio):
    """Return the model's loss on 64 new sequences."""
    digits = torch.randint(10, (64, 7))
    targets = digits.flip(dims=[1])
    logits = model(digits, targets, ratio)
    return functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


# %%
taught, alone = {}, {}
for ratio in (1.0, 0.5, 0.0):
    torch.manual_seed(0)
    model = Reverser()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    taught[f"ratio {ratio}"], alone[f"ratio {ratio}"] = [], []
    for number in range(500):
        loss = reversing_loss(model, ratio)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if number % 10 == 9:
            with torch.no_grad():
                taught[f"ratio {ratio}"].append(loss.item())
                alone[f"ratio {ratio}"].append(reversing_loss(model, ratio=0.0).item())
plots.loss_lines(
    {"Loss while it is taught": taught, "Loss when it writes on its own": alone}, "10 batches"
)

# %% [markdown]
# ### Question 4
#
# What does teacher forcing do, and what does it cost? Use the two plots: what do you see for ratio
# 1 on the left and on the right? (four or five sentences)

# %% [markdown] question="teacher-forcing" points=5
# *A full answer says:* with teacher forcing the decoder is fed the right token of the step before,
# not its own choice, while it is trained. So each step is learned under good conditions, errors do
# not pile up, learning is faster and steadier (and, for models that allow it, all steps can be
# computed at once). The cost: in use nobody supplies the right tokens, so the decoder meets inputs
# that it never saw in training, its own mistakes, and one can lead to the next (exposure bias). The
# loss measured with the teacher is too rosy: on the left ratio 1 is the lowest, on the right the
# same model is worse than on the left. Remedies: a ratio between, or one that falls during training
# (scheduled sampling).
#
# *Marks:* 1 what is fed, 1 why it helps, 2 the gap between training and use and what follows from
# it, 1 reads the student's own plots rightly.

# %% [markdown]
# ## 7. A text that is longer than a gradient
#
# A language model of characters reads a text letter by letter and predicts the next one each time.
# A text of 100,000 letters is one sequence of 100,000 steps. To go back through all of them for a
# gradient would need all of their states in memory, and it would give one step of the optimizer.
#
# *Truncated back-propagation* cuts the text into chunks of some T letters. The state goes on from
# chunk to chunk, so the model knows what came before. The gradient does not: it ends where the
# chunk begins. That is what `.detach()` does: the same numbers, without the history of how they
# came about.

# %%
plots.chunks()

# %% definition="truncated.train_on_text"

# %% check="truncated"
check("truncated", train_on_text)

# %% [markdown]
# **Try it.** The letters of the news sample, as 16 texts side by side. What does a model write
# after a few passes?


# %%
class Writer(nn.Module):
    """A language model of letters: an LSTM of H units between two tables."""

    def __init__(self, classes, units=128):
        super().__init__()
        self.embedding = nn.Embedding(classes, 32)
        self.layer = nn.LSTM(32, units, batch_first=True)
        self.read_out = nn.Linear(units, classes)

    def forward(self, ids, state=None):
        """Map ids (B, T) and a state to logits (B, T, C) and the new state."""
        outputs, state = self.layer(self.embedding(ids), state)
        return self.read_out(outputs), state


@torch.no_grad()
def write(model, length, start="the "):
    """Let the model write: draw each letter from what it holds for likely, and feed it back."""
    written, state = start, None
    ids = torch.tensor([[letters.index(letter) for letter in start]])
    for _ in range(length):
        logits, state = model(ids, state)
        ids = torch.multinomial((logits[:, -1] / 0.7).softmax(dim=1), 1)
        written += letters[ids.item()]
    return written


# %%
torch.manual_seed(0)
rows = letter_ids[: len(letter_ids) // 16 * 16].reshape(16, -1)
writer = Writer(len(letters))
optimizer = torch.optim.Adam(writer.parameters(), lr=0.004)
losses = []
for number in range(1, 5):
    losses += train_on_text(writer, optimizer, rows, chunk=64)
    print(
        f"after pass {number}, perplexity about {math.exp(losses[-1]):.1f}: {write(writer, 150)}\n"
    )
plots.loss_lines({"Loss of each chunk": {"loss": losses}}, "chunk")

# %% [markdown]
# ### Question 5
#
# An `nn.LSTM` can be called with a state: `lstm(inputs, (h_n, c_n))`. When would one do that, and
# when not? Give two examples for the first, one for the second. What must be kept in mind when a
# state is carried on from batch to batch in training? (four or five sentences)

# %% [markdown] question="carry-state" points=5
# *A full answer says:* one feeds `(h_n, c_n)` when the new inputs go on from where the last ones
# ended or depend on something read before: the next chunk of a long text in truncated
# back-propagation; writing token by token, where each call has one step; a decoder that starts from
# an encoder's last state; a stream that comes in pieces. One does not for inputs that have nothing
# to do with each other, as the sentences of a shuffled batch in a classifier: each starts from
# zeros. In training the state has to be detached, or gradients flow back through all earlier
# batches (memory grows, or `backward` fails); row b of a batch must go on with row b of the one
# before, with the same batch size, and the state is reset where a new text begins.
#
# *Marks:* 2 two examples of carrying on, 1 an example of starting anew, 1 detach and why, 1 rows
# must belong together or the reset at a new text.

# %% [markdown]
# **Before you hand in:** *Kernel, Restart Kernel and Run All Cells*, look through the tables once
# more, save. The button *Validate* does the same and says whether every check passes.
