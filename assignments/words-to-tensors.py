# %% [markdown]
# # Words to tensors
#
# A network reads numbers, in tensors that are rectangular. News comes as text, in sentences of all
# lengths. This lesson builds everything in between: a pipeline that turns tokens into vectors,
# padded and packed batches, an LSTM that reads them, and a way to pool what it has read into one
# vector per sentence.
#
# **Afterwards you can**
#
# - say what a spaCy pipeline does, and what kind of vectors it gives you;
# - make batches of sentences of different lengths, and keep their lengths;
# - explain padding, masks and packing, and choose between them;
# - get the same result for a sentence alone and in a batch;
# - measure what padding costs, and reduce it.
#
# **You need** Python, and an idea of what a tensor and its shape are. Parts 6 and 7 use an LSTM as a
# ready-made layer; what it returns is repeated there, and the lesson *Recurrent layers* opens it. You can
# do the two lessons in any order. The [glossary](docs/glossary.md) explains the terms in two sentences
# each.
#
# | part | task | difficulty | minutes | points |
# |---|---|---|---|---|
# | 1. Many texts at a time | `token_vectors` | easy | 20 | {points:token_vectors} |
# | 2. Padding | `pad` | easy | 10 | {points:pad} |
# | 3. A batch that keeps its lengths | `collate_with_lengths` | medium | 25 | {points:collate_with_lengths} |
# | 4. Packing | `pack_sentences` | easy | 20 | {points:pack_sentences} |
# | 5. Unpacking | `unpack` | easy | 10 | {points:unpack} |
# | 6. An LSTM over packed sentences | `sentence_states` | medium | 30 | {points:sentence_states} |
# | 7. Pooling over the tokens alone | `masked_mean`, `masked_max` | hard | 45 | {points:masked_pooling} |
# | 8. Batches of similar length | `length_buckets` | medium | 30 | {points:length_buckets} |
# | 9. A faster pipeline | `fast_pipeline` | easy | 15 | {points:fast_pipeline} |
# | 10. A puzzle to close | `sentence_lengths` | medium | 20 | {points:sentence_lengths} |
# | all parts | | | 225 | {points} |
# | questions, on top | answer in your own words | | 25 | {points:questions} |
# | predictions, on top | guess first, right or wrong | | | {points:predictions} |
#
# **How to work.** Run the cells from the top down (Shift + Enter). Where you see `raise
# NotImplementedError(...)`, replace it with your own code. The cell that starts with `check(` says
# what is right and what is not, with a hint where you need one; run it as often as you like. Cells
# with `predict(` ask for a guess *before* you run the next cell; a wrong guess costs nothing. Each
# part is graded independently, but the cells below a part often use it, so write the parts in
# order. If a cell needs a part that is not written yet, one line says which; if it stops with
# `NameError`, a cell further up has not run yet. Leave the arguments of your functions as they are: whoever
# calls them still needs them.
#
# | letter | meaning |
# |---|---|
# | B | batch size (number of sentences) |
# | T | time steps (tokens) of the longest sentence in the batch |
# | F | features of one token vector (96 for `en_core_web_sm`) |
# | H | hidden size of one direction |
# | L | layers |
# | D | directions (2) |

# %% setup=true

# %% imports=true

# %%
from time import perf_counter

from torch.utils.data import DataLoader

import news
from grader import plots
from grader.notebook import check, predict

# %% [markdown]
# ## Tokens and pipelines
#
# A [spaCy pipeline](https://spacy.io/usage/processing-pipelines) takes a text and returns a
# *document*. First the **tokenizer** splits the text into tokens: words, punctuation, symbols.
#
# **Predict.** How many tokens does *Don't panic: it's only $3.50!* have? Write a number instead
# of the dots, and run the cell.

# %% predict=true
predict(
    "token-count",
    answer=10,
    computed=len(doc),
    hint="Punctuation and symbols are tokens of their own, and so are the n't of don't and the 's of it's.",
)

# %%
nlp = spacy.load("en_core_web_sm")
doc = nlp("Don't panic: it's only $3.50!")
print([token.text for token in doc])

# %% [markdown]
# Splitting loses nothing: the tokens and the spaces between them give the text back. Even a second
# space becomes a token. Then the **components** read the document, one after another, and each adds
# something to it:
#
# | component | what it adds |
# |---|---|
# | `tok2vec` | a vector for each token, computed from its form and its neighbours |
# | `tagger` | parts of speech, in detail: *rose* is a verb in the past tense (`token.tag_`) |
# | `parser` | which word depends on which (`token.head`, `token.dep_`), and where sentences end |
# | `attribute_ruler` | what rules say, such as the part of speech of a tag (`token.pos_`) |
# | `lemmatizer` | the form in a dictionary: *rise* for *rose* (`token.lemma_`) |
# | `ner` | names of people, places, companies, amounts (`doc.ents`) |
#
# Tagger and parser read the vectors of tok2vec, the lemmatizer needs `token.pos_`, and ner has a
# tok2vec of its own.

# %%
print(nlp.pipe_names)
doc = nlp("It's over.  Oil rose by 3% in New York.")
for token in doc:
    print(f"{token.text:6}{token.pos_:7}{token.lemma_:6}{token.dep_:10}{token.head.text}")
print([(entity.text, entity.label_) for entity in doc.ents])

# %% [markdown]
# **Try it.** What does each of them cost? The components can be called one by one, each on what the
# one before it has written.

# %%
texts = [text for _, text in news.sample("train")][:60]
list(nlp.pipe(texts))  # once before measuring, because the first run fills caches
seconds, start = {}, perf_counter()
docs = [nlp.make_doc(text) for text in texts]
seconds["tokenizer"] = perf_counter() - start
for name, component in nlp.pipeline:
    start = perf_counter()
    docs = list(component.pipe(docs))
    seconds[name] = perf_counter() - start
plots.costs(seconds)

# %% [markdown]
# ### Question 1
#
# What does a spaCy pipeline consist of? Name its parts and what each one does. Which of them need
# what another one has written? (five or six sentences)

# %% [markdown] question="pipelines" points=5
# *A full answer says:* a pipeline is a tokenizer and a list of components, together with a
# vocabulary and the weights that were trained for it. The tokenizer makes a document out of a text;
# each component takes the document, adds something to it and passes it on. In `en_core_web_sm`:
# tok2vec (a vector for each token), tagger (tags), parser (grammar and ends of sentences),
# attribute_ruler (attributes by rules, such as parts of speech from tags), lemmatizer (base forms),
# ner (names). Tagger and parser read the vectors of tok2vec; the lemmatizer needs the parts of
# speech, and so tagger and attribute_ruler; ner has a tok2vec of its own and depends on none.
#
# *Marks:* 1 the tokenizer comes first and makes the document, 1 components run one after another on
# the document, 2 what they do (half a mark for each of at least four), 1 one dependency named.

# %% [markdown]
# ## 1. Many texts at a time
#
# `nlp(text)` processes one text.
# [`nlp.pipe(texts)`](https://spacy.io/api/language#pipe) processes many: it yields the documents in
# the order of the texts, and each component gets several of them at a time (`batch_size`), so that
# its matrix products are large. One large product is faster than many small ones.
#
# The vector of a token is `token.vector`, a NumPy array of F numbers; `torch.from_numpy(array)` makes
# a tensor from an array. `doc.tensor` holds the vectors of all tokens of a document, shape (tokens, F);
# this is true for pipelines like ours, which have no table of word vectors.

# %% definition="token_vectors.token_vectors"

# %% check="token_vectors"
check("token_vectors", token_vectors)

# %% [markdown]
# **Try it.** How long are your sentences, and how much faster is it than one text after another?

# %%
start = perf_counter()
for text in texts:
    nlp(text)
one_by_one = perf_counter() - start
start = perf_counter()
sentences = token_vectors(nlp, texts)
together = perf_counter() - start
print("lengths:", [len(sentence) for sentence in sentences])
print(f"one by one {one_by_one:.2f} s, together {together:.2f} s")

# %% [markdown]
# ### What vectors should tell
#
# A vector that stands for a word is called a *word vector* or an **embedding**. Words that are alike
# should have vectors that are alike. Then one can compute with them. In vectors made by hand, each
# number has a meaning, say how *royal* somebody is, and whether female:

# %%
hand_made = {"man": (0, 0), "woman": (0, 1), "king": (1, 0), "queen": (1, 1)}
plots.arrows(hand_made, "royal", "female")
king, man, woman = (torch.tensor(hand_made[word]) for word in ("king", "man", "woman"))
print("king - man + woman =", tuple((king - man + woman).tolist()))

# %% [markdown]
# The step from *man* to *woman* is the step from *king* to *queen*. Embeddings are learned from text,
# without labels: the text itself says which word stands next to which (*self-supervised* learning).
# In them no single number has a name, but such steps can be found, if there is enough text. What is
# in the text is in the vectors, prejudices too: the same arithmetic finds *man is to programmer as
# woman is to homemaker* ([Bolukbasi et al., 2016](https://arxiv.org/abs/1607.06520)).
#
# > **You may read elsewhere that** *king + cap = crown*. Adding two words does not combine their
# > meanings: the nearest word to a sum is usually one of the two. And *king - man + woman* is nearest
# > to *queen* only if the three words that were put in are left out of the search. In the lesson
# > *Beyond the classifier*, part 3, you train such vectors and try it.
#
# ### One word, several vectors
#
# There are two kinds of embeddings. A **static** one is a table: one word, one vector
# (`nn.Embedding` is such a table; [Word2Vec](https://arxiv.org/abs/1301.3781) and
# [GloVe](https://aclanthology.org/D14-1162/) are ways to fill it). A **contextual** one is computed:
# the vector of a token depends on the words around it.
#
# **Predict.** Does `en_core_web_sm` give *bank* the same vector in *She sat on the river bank and
# fished.* and in *The bank lends money to the shop.*? Answer `True` or `False`.

# %% predict=true
predict(
    "same-vector-twice",
    answer=False,
    computed=torch.equal(vectors[0], vectors[2]),
    hint="Look at the table of components: from what does tok2vec compute a vector?",
)

# %%
places = [
    "She sat on the river bank and fished.",
    "The river bank was muddy after the rain.",
    "The bank lends money to the shop.",
    "I bank on your help.",
]
vectors = []
for doc, rows in zip(nlp.pipe(places), token_vectors(nlp, places), strict=True):
    vectors.append(rows[[token.text for token in doc].index("bank")])
directions = nn.functional.normalize(torch.stack(vectors), dim=1)
plots.similarities(places, directions @ directions.T)

# %% [markdown]
# Each number is the cosine of the angle between two vectors of *bank*: 1 for the same direction, 0
# for a right angle. No two are the same, and the verb in the last sentence is far from the three
# nouns. But the second river bank is nearer to the bank that lends than to the first river bank.
# This small tok2vec was trained to recognise parts of speech, grammar and names, and its vectors tell
# such things much better than what a word is about.
#
# What `en_core_web_sm` does *not* have is a table:

# %%
print("rows and columns of the table of word vectors:", nlp.vocab.vectors.shape)
print("bank in the vocabulary:", nlp.vocab["bank"].has_vector)
print("bank in a text:        ", nlp(places[0])[5].has_vector)

# %% [markdown]
# > **You may read elsewhere that** spaCy's small models contain word vectors. They do not: `sm` only
# > computes contextual vectors, with tok2vec. Tables of static vectors come with the models whose
# > names end in [`md` and `lg`](https://spacy.io/models/en); there `token.vector` is the row of the
# > table.
#
# So give the pipeline whole texts, not single words.

# %% [markdown]
# ## 2. Padding
#
# A tensor is rectangular: every row has the same number of steps. There is a good reason. Step by
# step, a layer multiplies the vectors of all sentences by the same matrix. If they lie in one block
# of memory, at equal distances, that is a single fast product.
#
# Sentences have different lengths, so the short ones are filled up with zeros after their last token.
# This is called **padding**. Write it with a loop, or look for a function in
# [`torch.nn.utils.rnn`](https://docs.pytorch.org/docs/stable/nn.html#utility-functions), which is
# imported above as `rnn`.

# %% definition="pad.pad"

# %% check="pad"
check("pad", pad)

# %% [markdown]
# **Predict.** Which shape has the padded tensor of three sentences with 2, 4 and 3 tokens, if F = 96?
# Write it like `(1, 2, 3)`.

# %% predict=true
predict(
    "padded-shape",
    answer=(3, 4, 96),
    computed=padded.shape,
    hint="B sentences, T steps of the longest one, F features.",
)

# %%
padded = pad([torch.ones(tokens, 96) for tokens in (2, 4, 3)])
print(padded.shape)

# %% [markdown]
# **Try it.** How much of a batch of news is padding?

# %%
plots.padding(pad(sentences[-12:]))

# %% [markdown]
# > **You may read elsewhere that** all batches must have the same size. Within a batch, all rows have
# > the same T. The next batch can have a different T, and the last one of an epoch usually has a
# > smaller B: a recurrent layer does not mind.

# %% [markdown]
# ## 3. A batch that keeps its lengths
#
# A [`DataLoader`](https://docs.pytorch.org/docs/stable/data.html) takes B items of a data set and
# passes them, as a list, to its `collate_fn`, which returns the batch. (One pass over all items is an
# **epoch**.) The default `collate_fn` stacks tensors along a new batch dimension, makes tensors of
# numbers, and goes into tuples and dicts to do the same there. It cannot stack sentences of different
# lengths:

# %%
classes = [label - 1 for label, _ in news.sample("train")][:60]
samples = list(zip(sentences, classes, strict=True))
try:
    next(iter(DataLoader(samples, batch_size=3)))
except RuntimeError as error:
    print("RuntimeError:", error)

# %% [markdown]
# So write your own. It pads the sentences, and it keeps what padding hides: the **lengths**. With
# them anyone can tell tokens from padding, whatever the vectors hold. From them follows the **mask**,
# a boolean tensor (B, T) that is `True` where a step is a token.

# %% definition="collate_with_lengths.collate_with_lengths"

# %% check="collate_with_lengths"
check("collate_with_lengths", collate_with_lengths)

# %% [markdown]
# **Try it.** Every batch has its own T. The vectors are computed once and kept in a list, so the
# pipeline does not run again in each epoch.

# %%
loader = DataLoader(samples, batch_size=16, shuffle=True, collate_fn=collate_with_lengths)
for padded, lengths, targets in loader:
    mask = torch.arange(padded.shape[1]) < lengths[:, None]
    print(f"padded {tuple(padded.shape)}, {int(mask.sum())} tokens, {len(targets)} targets")

# %% [markdown]
# The line with `mask` is worth a second look: `torch.arange(T)` has shape (T,), `lengths[:, None]`
# has shape (B, 1), and comparing them gives (B, T), because PyTorch repeats both along the missing
# dimension ([broadcasting](https://docs.pytorch.org/docs/stable/notes/broadcasting.html)).

# %% [markdown]
# ## 4. Packing
#
# A recurrent layer that reads zeros after the last token goes on changing its state, and it takes
# time. A **PackedSequence** has no zeros at all. It is one long list of vectors, in the order in
# which a recurrent layer needs them: first the first tokens of all sentences, then the second tokens
# of those that have one, and so on. The sentences are sorted by length, longest first, so that those
# that are still running are always the upper rows.

# %%
plots.packing([["Rain", "stops", "play"], ["Oil", "rose", "in", "New", "York"], ["Goal", "!"]])

# %% [markdown]
# The numbers give the order of the vectors in `data`: column by column. A
# [`PackedSequence`](https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.PackedSequence.html)
# has four parts:
#
# - `data`: the vectors, in this order, shape (tokens, F);
# - `batch_sizes`: how many sentences have a token at each step, here 3, 3, 2, 1, 1;
# - `sorted_indices`: which sentence is in which row, here 1, 0, 2;
# - `unsorted_indices`: the way back.
#
# The last two are None if the packing was told that the sentences are sorted already
# (`enforce_sorted=True`, which is the default).
#
# **Predict.** We pack sentences of 2, 3 and 1 tokens, with one feature each. What will `batch_sizes`
# be? Write it like a shape: `(1, 2, 3)`.

# %% predict=true
predict(
    "batch-sizes",
    answer=(3, 2, 1),
    computed=tuple(small.batch_sizes.tolist()),
    hint="At each step, count the sentences that still have a token.",
)

# %%
three = [torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0], [4.0], [5.0]]), torch.tensor([[6.0]])]
small = rnn.pack_sequence(three, enforce_sorted=False)
print(small)

# %% [markdown]
# Find the 4 in `data`: it is the second token of the longest sentence, so it follows the three first
# tokens 3, 1 and 6.
#
# > **You may read elsewhere that** `pack_sequence` fills short sentences up with zeros. That is
# > padding: [`pad_sequence`](https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pad_sequence.html).
# > Count the numbers in `data` above: there are six, one per token.
#
# One thing is true: only recurrent layers (`nn.RNN`, `nn.GRU`, `nn.LSTM`) take a PackedSequence. For
# `nn.Linear`, a convolution or attention, unpack it, or pad and use a mask.

# %% definition="pack_sentences.pack_sentences"

# %% check="pack_sentences"
check("pack_sentences", pack_sentences)

# %% [markdown]
# **Try it.** How many steps does a layer compute for these texts, padded and packed?

# %%
packed, alive = pack_sentences(sentences)
print("padded:", len(sentences) * len(alive), "steps; packed:", len(packed.data))
print("sentences at each step:", alive.tolist())

# %% [markdown]
# ## 5. Unpacking
#
# Whatever is not a recurrent layer needs sentences again, and in the order in which they were given.
# `rnn` has functions for the way back, too.

# %% definition="unpack.unpack"

# %% check="unpack"
check("unpack", unpack)

# %% [markdown]
# **Try it.** Packed and unpacked, every sentence is what it was.

# %%
back = unpack(packed)
print(all(map(torch.equal, back, sentences)))

# %% [markdown]
# ## 6. An LSTM over packed sentences
#
# An LSTM reads a sentence token by token. After each one it has a *hidden state*, H numbers that
# summarise what it has read so far. A *bidirectional* LSTM reads twice, from left to right and from
# right to left. A second layer reads what the first one has made of the tokens.
#
# The call is `output, (h_n, c_n) = lstm(sentences)`. `output` holds the hidden states of the last layer
# at every step. `h_n`, shape (L * D, B, H), holds the final hidden state of each layer and direction.
# (`c_n` is the LSTM's second state, which you do not need here.)

# %%
plots.last_states()

# %% [markdown]
# With packed sentences, `output` is packed, too, and `h_n` has each sentence's *own* final states:
# forward after its own last token, backward after its first. The rows are in the order in which the
# sentences were given. Your function returns both states of the last layer, side by side: *cat* in the
# picture. The ReLU and the Linear layer after it belong to a classifier.

# %% definition="sentence_states.sentence_states"

# %% check="sentence_states"
check("sentence_states", sentence_states)

# %% [markdown]
# **Try it.** A short sentence beside a long one: are its states the same as if it were alone?
#
# **Predict.** In which batch do the states of *Goal!* differ from those of *Goal!* alone: `"padded"`,
# `"packed"` or `"both"`?

# %% predict=true
predict(
    "who-reads-padding",
    answer="padded",
    choices=("padded", "packed", "both"),
    computed="both" if packed_differs > 1e-5 else "padded",
    hint="Who has to read zeros?",
)

# %%
torch.manual_seed(0)
lstm = nn.LSTM(96, 32, num_layers=2, batch_first=True, bidirectional=True)
goal = token_vectors(nlp, ["Goal!", texts[0]])
with torch.no_grad():
    alone = sentence_states(lstm, goal[:1])[0]
    packed_differs = (sentence_states(lstm, goal)[0] - alone).abs().max().item()
    _, (h_n, _) = lstm(pad(goal))
    padded_differs = (torch.cat([h_n[-2, 0], h_n[-1, 0]]) - alone).abs().max().item()
print(f"packed: they differ by at most {packed_differs:.7f}")
print(f"padded: they differ by at most {padded_differs:.7f}")

# %% [markdown]
# ### Question 2
#
# Padding or packing: what does each of them cost, and what does it change for a recurrent layer?
# When would you take which? (four or five sentences)

# %% [markdown] question="padding-or-packing" points=5
# *A full answer says:* padding makes one tensor (B, T, F), easy to index and to pass to any layer, but
# it takes memory and time for zeros, the more so the more the lengths differ; a recurrent layer
# reads the zeros as if they were tokens, so that the forward state goes on changing after the last
# token, the backward direction starts with padding, and the same sentence gets different states in a
# different batch. A PackedSequence holds the tokens alone and says how many sentences run at each
# step: no step is wasted (which on a CPU need not be faster), and `h_n` is each sentence's own last
# state in both directions; but only
# recurrent layers take it, it must be sorted inside, and the lengths must be known. Packing for
# recurrent layers; padding (with a mask) for everything else, or where lengths hardly differ.
#
# *Marks:* 1 what padding costs, 1 a layer reads padding and its states change, 1 a packing computes
# tokens only and gives each sentence's own last states, 1 what packing cannot do or needs, 1 a
# sensible choice with a reason.

# %% [markdown]
# ## 7. Pooling over the tokens alone
#
# The final state has to remember everything. **Pooling** uses the outputs of all steps instead: their
# mean, or for each feature the maximum over time, the strongest trace that any token has left. In the
# lesson *A news classifier* both score higher than the final state. A batch is padded again at this point,
# and padding must not take part.
#
# Take one feature of a sentence with 3 tokens, in a batch with T = 5:
#
# | step | 0 | 1 | 2 | 3 | 4 |
# |---|---|---|---|---|---|
# | output | -3 | -1 | -2 | 0 | 0 |
# | token? | yes | yes | yes | no | no |
#
# The mean over the tokens is -6 / 3 = -2, and the maximum -1.
#
# **Predict.** What does `outputs.amax(dim=1)` give for this feature, without a mask?

# %% predict=true
predict(
    "maximum-without-mask",
    answer=0,
    computed=outputs.amax(dim=1).item(),
    hint="It is the largest of all five numbers.",
)

# %%
outputs = torch.tensor([[[-3.0], [-1.0], [-2.0], [0.0], [0.0]]])
print(f"mean without a mask:    {outputs.mean(dim=1).item():.1f}")
print(f"maximum without a mask: {outputs.amax(dim=1).item():.1f}")

# %% [markdown]
# Neither is right, and both would be different in a batch with a different T. With the mask from part 3,
# a padded step can be given any number you like before you pool. Which number changes no sum? Which
# one never wins a maximum? And what should a sentence without a token get?

# %% definition="masked_pooling.masked_mean"

# %% definition="masked_pooling.masked_max"

# %% check="masked_pooling"
check("masked_pooling", masked_mean, masked_max)

# %% [markdown]
# **Try it.** The promise: a sentence gets the same vector alone and in any batch, even with garbage in
# the padded steps.

# %%
padded, lengths, _ = collate_with_lengths(samples[:8])
with torch.no_grad():
    read, _ = lstm(
        rnn.pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False)
    )
    outputs, _ = rnn.pad_packed_sequence(read, batch_first=True)
    one, _ = lstm(samples[2][0][None])  # sentence 2 alone
mask = torch.arange(outputs.shape[1]) < lengths[:, None]
garbage = torch.where(mask[:, :, None], outputs, 1000.0)
for name, pool in {"mean": masked_mean, "max": masked_max}.items():
    alone = pool(one, lengths[2:3])[0]
    differs = (pool(garbage, lengths)[2] - alone).abs().max().item()
    print(f"{name:5} differs by at most {differs:.7f}")

# %% [markdown]
# **Attention** is one step further: a weighted mean, with weights that the network chooses for each
# sentence. Each step gets a score, a softmax over the *tokens* turns scores into weights, and the mask
# makes the weights of padded steps 0 by setting their scores to minus infinity. The layer that gives
# the scores is not trained here, so the weights mean nothing yet; see that they sum to 1.

# %%
torch.manual_seed(0)
score = nn.Linear(64, 1)
with torch.no_grad():
    scores = score(outputs).squeeze(2).masked_fill(~mask, -torch.inf)
    weights = scores.softmax(dim=1)
    pooled = (weights[:, :, None] * outputs).sum(dim=1)
print("pooled:", tuple(pooled.shape))
print("sums of the weights:", [round(total, 4) for total in weights.sum(dim=1).tolist()])
print("largest weight of a padded step:", weights[~mask].max().item())

# %% [markdown]
# ## 8. Batches of similar length
#
# If one sentence of a batch is long, all others are padded to its length. If sentences of similar
# length share a batch, hardly anything is padded. But then a model would see all short sentences
# first, and its steps would depend on that order; so the *batches* are shuffled. This is called
# **bucketing**.
#
# Randomness comes from a [`torch.Generator`](https://docs.pytorch.org/docs/stable/generated/torch.Generator.html),
# an object with a seed of its own: pass it on, and an experiment can be repeated exactly.
# `torch.randperm(n, generator=generator)` gives the numbers from 0 to n - 1 in a random order.

# %% definition="length_buckets.length_buckets"

# %% check="length_buckets"
check("length_buckets", length_buckets)

# %% [markdown]
# **Try it.** How much padding does it save? And how much time, for an LSTM that reads padded batches?
# A `DataLoader` takes the lists of indices as its `batch_sampler`.

# %%
more = [text for _, text in news.sample("train")][:240]
samples = [(sentence, 0) for sentence in token_vectors(nlp, more)]
counts = [len(sentence) for sentence, _ in samples]


def milliseconds(batches: list[Tensor] | list[rnn.PackedSequence]) -> float:
    """Measure how long the LSTM needs for all batches, the best of three rounds."""
    rounds = []
    for _ in range(3):
        start = perf_counter()
        with torch.no_grad():
            for batch in batches:
                lstm(batch)
        rounds.append(1000 * (perf_counter() - start))
    return min(rounds)


def measure(name: str, batches: list[list[int]]) -> None:
    """Print how much of the batches is padding, and how long the LSTM needs for them."""
    loader = DataLoader(samples, batch_sampler=batches, collate_fn=collate_with_lengths)
    padded = [(batch, lengths) for batch, lengths, _ in loader]
    packed = [
        rnn.pack_padded_sequence(batch, lengths, batch_first=True, enforce_sorted=False)
        for batch, lengths in padded
    ]
    steps = sum(batch.shape[0] * batch.shape[1] for batch, _ in padded)
    print(f"{name}: {1 - sum(counts) / steps:.0%} padding; the LSTM reads them", end=" ")
    print(f"padded in {milliseconds([batch for batch, _ in padded]):.0f} ms,", end=" ")
    print(f"packed in {milliseconds(packed):.0f} ms")


generator = torch.Generator().manual_seed(0)
shuffled = torch.randperm(len(samples), generator=generator)
measure("random batches", [batch.tolist() for batch in shuffled.split(16)])
measure("length buckets", length_buckets(counts, 16, generator))

# %% [markdown]
# Compare the times, too. A PackedSequence saves all padded steps, but on a CPU it is not always
# faster than padding, because the number of its rows changes from step to step. What it always gives
# you are the right states.
#
# Bucketing has a price. The batches of an epoch always hold the same neighbours, so they are less
# random than shuffled ones. For a new order in each epoch, call the function again: a list passed as
# `batch_sampler` stays as it is.

# %% [markdown]
# ## 9. A faster pipeline
#
# Look at the costs at the top again. Which components do you need for vectors, and nothing but
# vectors? [`spacy.load`](https://spacy.io/api/top-level#spacy.load) can do without the others in three
# ways: `exclude=[...]` does not even load them, `disable=[...]` loads them and switches them off,
# `enable=[...]` switches all others off.
#
# The check does not measure time. It counts what is called: each batch of texts goes through
# tok2vec once, and through no other component of the model.

# %% definition="fast_pipeline.fast_pipeline"

# %% check="fast_pipeline"
check("fast_pipeline", fast_pipeline)

# %% [markdown]
# **Try it.** The two in turn, the best of three rounds each.

# %%
pipelines = {"plain": nlp, "fast": fast_pipeline()}
seconds = {name: [] for name in pipelines}
for _ in range(3):
    for name, pipeline in pipelines.items():
        start = perf_counter()
        found = token_vectors(pipeline, texts)
        seconds[name].append(perf_counter() - start)
best = {name: min(rounds) for name, rounds in seconds.items()}
print(f"{best['plain'] / best['fast']:.1f} times as fast")
print("same vectors:", all(map(torch.equal, found, token_vectors(nlp, texts))))

# %% [markdown]
# What is faster still? The vectors of a text are the same in every epoch. So compute them once, as in
# part 3. What is left for the second epoch?

# %%
start = perf_counter()
for _ in DataLoader(samples[:60], batch_size=16, collate_fn=collate_with_lengths):
    pass
kept = perf_counter() - start
print(f"an epoch of 60 texts: {best['fast']:.2f} s with the pipeline, {kept:.4f} s from memory")

# %% [markdown]
# ### Question 3
#
# A training run goes through the same 120,000 texts ten times, and most of its time goes into
# loading: from texts to padded batches. What would you do to make it faster? Name at least three
# things, and what each of them saves. (five or six sentences)

# %% [markdown] question="faster-loading" points=5
# *A full answer says* three or more of: exclude the components that make no vectors (saves about 70 %
# of the pipeline's time here, same vectors); process many texts at a time, `nlp.pipe` with a large
# `batch_size` (saves overhead per text); compute the vectors once and keep them, in memory or in a
# file, because they are the same in every epoch (saves nine of ten passes); load the pipeline once
# and not in every call; several processes, `n_process` or `num_workers` of the DataLoader (uses cores
# that are idle, if there are any, and has to be measured); batches of sentences of similar length,
# or packing (saves padding, and so time in the model); a GPU for tok2vec. Keeping the vectors saves
# the most, but 120,000 texts of some 40 tokens are 5 million vectors of 96 numbers, about 2 gigabytes
# in float32.
#
# *Marks:* 1 for each measure with what it saves, at most 3; 1 vectors computed once and kept (or
# why not); 1 a word on what a measure costs, such as memory, or on measuring before and after.

# %% [markdown]
# ## 10. A puzzle to close
#
# Somebody passes you a padded batch, without the lengths. Can you find them? Almost. A step whose F
# numbers are all 0 is padding *if no step after it has a number that is not 0*. A token can have a
# vector of zeros, too. In the middle of a sentence it is recognised, because something follows; as
# the last token of a sentence it looks like padding. So this is a puzzle, and no substitute for
# part 3: whoever pads should keep the lengths.

# %% definition="sentence_lengths.sentence_lengths"

# %% check="sentence_lengths"
check("sentence_lengths", sentence_lengths)

# %% [markdown]
# **Try it.** These two rows should be the same.

# %%
print(sentence_lengths(pad(sentences[-12:])).tolist())
print([len(sentence) for sentence in sentences[-12:]])

# %% [markdown]
# ## What you have learned
#
# - A pipeline is a tokenizer and components. `en_core_web_sm` computes contextual vectors with tok2vec,
#   and has no table of word vectors.
# - Padding makes sentences rectangular; lengths and masks remember what is a token.
# - A PackedSequence holds the tokens alone, step by step. Only recurrent layers take it, and they then
#   return each sentence's own final states.
# - Pooling with a mask gives one vector per sentence that does not depend on its neighbours in the
#   batch.
# - Buckets of similar length save padding; unused components cost time. Measure before and after.
#
# **What comes next.** *A news classifier* uses all of this: it compares padded, packed and pooled
# classifiers. *Recurrent layers* opens the LSTM, and *Beyond the classifier* trains word vectors.
# Transformers ([Vaswani et al., 2017](https://arxiv.org/abs/1706.03762)) read padded batches, too: their
# `attention_mask` is the mask of part 3, and a common way to get one vector per sentence is the mean
# of part 7.
#
# To try on your own: batches of 4 or 64 in part 8 (how does the share of padding change?), `nn.GRU`
# instead of the LSTM in part 6, a text in another language in part 1. Write down a guess first.
#
# To read on: spaCy's
# [linguistic features](https://spacy.io/usage/linguistic-features) and
# [embeddings](https://spacy.io/usage/embeddings-transformers); *Dive into Deep Learning*, chapters
# [15](https://d2l.ai/chapter_natural-language-processing-pretraining/index.html) and
# [16](https://d2l.ai/chapter_natural-language-processing-applications/index.html).
#
# **Before you hand in:** *Kernel, Restart Kernel and Run All Cells*, look through the tables once
# more, save. The run stops at the first cell that fails; the parts below it are graded all the same.
# If your Jupyter has a button *Validate*, it says whether every check passes.
