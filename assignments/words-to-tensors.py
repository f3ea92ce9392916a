# %% [markdown]
# # Words to tensors
#
# A network reads numbers, in boxes of one shape. News come as words, in sentences of all lengths.
# This lesson goes the way from one to the other, and back: a pipeline makes vectors of tokens,
# padding or packing makes a batch of sentences, and an LSTM reads the batch.
#
# | part | what it does | points |
# |---|---|---|
# | `token_vectors` | texts to token vectors, many at a time | {points:token_vectors} |
# | `pad` | sentences to one box | {points:pad} |
# | `sentence_lengths` | from a box back to the lengths | {points:sentence_lengths} |
# | `pack_sentences` | sentences to a packing, without padding | {points:pack_sentences} |
# | `unpack` | and back | {points:unpack} |
# | `sentence_states` | an LSTM over packed sentences | {points:sentence_states} |
# | `fast_pipeline` | the same vectors, and nothing else | {points:fast_pipeline} |
# | all parts | | {points} |
# | questions, on top | to answer in your own words | {points:questions} |
#
# **How to work.** Run the cells from the top down (Shift + Enter). Where you see
# `raise NotImplementedError(...)`, put your own code in its place. The cell that starts with
# `check(` tells what is right and what is not; run it as often as you like. Each part is graded
# apart. The cells below a part often use it, so write the parts in order.
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
from collections import Counter
from time import perf_counter

from torch.utils.data import DataLoader

import news
from grader import plots
from grader.notebook import check

# %% [markdown]
# ## Tokens and pipelines
#
# A spaCy pipeline takes a text and gives a *document*. First of all the **tokenizer** splits the
# text: at spaces, but also between *It* and *'s*, and before a full stop. Nothing is lost by that;
# even a second space becomes a token of its own.

# %%
nlp = spacy.load("en_core_web_sm")
doc = nlp("It's over.  Oil rose by 3% in New York.")
print([token.text for token in doc])

# %% [markdown]
# Then the **components** read the document, one after another, and each writes something into it:
#
# | component | what it writes |
# |---|---|
# | `tok2vec` | a vector for each token, from its form and its neighbours |
# | `tagger` | parts of speech, in detail: *rose* is a verb in the past tense (`token.tag_`) |
# | `parser` | which word belongs to which (`token.head`, `token.dep_`), and where sentences end |
# | `attribute_ruler` | what rules say, such as the part of speech of a tag (`token.pos_`) |
# | `lemmatizer` | the form in a dictionary: *rise* for *rose* (`token.lemma_`) |
# | `ner` | names of people, places, companies, amounts (`doc.ents`) |
#
# Tagger and parser read the vectors of tok2vec, the lemmatizer needs `token.pos_`, and ner has a
# tok2vec of its own.

# %%
print(nlp.pipe_names)
for token in doc:
    print(f"{token.text:6}{token.pos_:7}{token.lemma_:6}{token.dep_:10}{token.head.text}")
print([(entity.text, entity.label_) for entity in doc.ents])

# %% [markdown]
# **Try it.** What does each of them cost? The components can be called one by one, each on what the
# one before has written.

# %%
texts = [text for _, text in news.sample("train")][:60]
list(nlp.pipe(texts))  # once before, because the first run fills caches
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
# each component takes the document, adds something to it and hands it on. In `en_core_web_sm`:
# tok2vec (a vector for each token), tagger (tags), parser (grammar and ends of sentences),
# attribute_ruler (attributes by rules, such as parts of speech from tags), lemmatizer (base forms),
# ner (names). Tagger and parser read the vectors of tok2vec; the lemmatizer needs the parts of
# speech, and so tagger and attribute_ruler; ner has a tok2vec of its own and stands alone.
#
# *Marks:* 1 the tokenizer comes first and makes the document, 1 components run one after another on
# the document, 2 what they do (half a mark for each of at least four), 1 one dependency named.

# %% [markdown]
# ## 1. Many texts at a time
#
# `nlp(text)` reads one text. `nlp.pipe(texts)` reads many: it gives the documents in the order of
# the texts, and each component gets several of them at a time, so that its matrix products are
# large. Large ones are faster than many small ones.
#
# The vector of a token is `token.vector`; `doc.tensor` holds those of all tokens of a document,
# a NumPy array of shape (tokens, F). This holds for pipelines like this one, which has no table of
# word vectors.

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
# ### What vectors tell
#
# Words that are alike should have vectors that are alike. If so, one can compute with them. In a
# vector made by hand, every number has a meaning, say how *royal* and how *female* somebody is:

# %%
hand_made = {"man": (0, 0), "woman": (0, 1), "king": (1, 0), "queen": (1, 1)}
plots.arrows(hand_made, "how royal", "how female")
king, man, woman = (torch.tensor(hand_made[word]) for word in ("king", "man", "woman"))
print("king - man + woman =", tuple((king - man + woman).tolist()))

# %% [markdown]
# The step from *man* to *woman* is the step from *king* to *queen*. In vectors that were learned
# from text no number has a name, but such steps are found there, too, if there is much text.
#
# We have 1,200 news items, which is little. Let us see how far they go. Words that occur in the
# same news items have to do with each other. So count for each two words in how many items both
# stand, compare that with what chance would give (the logarithm of the ratio), and press the table,
# hundreds of numbers a word, into 20 (by the singular value decomposition):

# %%
items = [text for split in ("train", "valid", "test") for _, text in news.sample(split)]
docs = [nlp.make_doc(text) for text in items]
words = [{token.lower_ for token in doc if token.is_alpha and not token.is_stop} for doc in docs]
count = Counter(word for each in words for word in each)
vocabulary = sorted(word for word, times in count.items() if times >= 8)
number = {word: place for place, word in enumerate(vocabulary)}

occurs = torch.zeros(len(items), len(vocabulary))
for row, each in zip(occurs, words, strict=True):
    row[[number[word] for word in each if word in number]] = 1
both = (occurs.T @ occurs).fill_diagonal_(0)
share = both / both.sum()
alone = share.sum(dim=1)
ratio = torch.log(share / (alone[:, None] * alone)).clamp(min=0)
u, s, _ = torch.linalg.svd(ratio)
word_vectors = nn.functional.normalize(u[:, :20] * s[:20].sqrt(), dim=1)


def neighbours(vector: Tensor, leave_out: str) -> list[str]:
    """Return the five words whose vectors point most in the direction of a vector."""
    order = (word_vectors @ vector).argsort(descending=True).tolist()
    return [vocabulary[place] for place in order if vocabulary[place] not in leave_out.split()][:5]


for word in ("goal", "bank", "court", "software"):
    print(f"{word:9}", neighbours(word_vectors[number[word]], word))
for one, two in (("company", "software"), ("court", "league")):
    total = word_vectors[number[one]] + word_vectors[number[two]]
    print(one, "+", two, neighbours(total, f"{one} {two}"))
step = word_vectors[number["judge"]] - word_vectors[number["court"]]
print(
    "judge - court + league",
    neighbours(step + word_vectors[number["league"]], "judge court league"),
)

# %% [markdown]
# The neighbours make sense: who meets a goal, meets a penalty. A sum of two topics lies between
# them where there is something in between, as for *company* and *software*. The last line is like
# *king - man + woman*, and does not work as well: it lands among sports, because most of what it
# adds up is *league*, and no referee comes out of it. 1,200 items know topics, not relations. Try
# other words.
#
# ### One word, several vectors
#
# The vectors above are a table: one word, one vector. Those of `en_core_web_sm` are no table. They
# are computed from a token and some neighbours on each side, so the same word has another vector in
# another sentence.

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
# This small tok2vec was trained to name parts of speech and to find names and grammar, and its
# vectors tell such things much better than what a word is about.
#
# For you it means: give the pipeline whole texts. A word alone has another vector.

# %% [markdown]
# ## 2. A box
#
# A tensor is rectangular: every row has the same number of steps. There is a good reason. Step by
# step, the layer multiplies the vectors of all sentences by the same matrix, and if they lie in one
# block of memory, with the same distance from each to the next, that is a single fast product.
#
# Sentences are not rectangular, so the short ones are filled up with zeros behind their last token.

# %% definition="pad.pad"

# %% check="pad"
check("pad", pad)

# %% [markdown]
# **Try it.** A `DataLoader` draws items from a data set, here a plain list of texts. What becomes
# of the items of a batch, its `collate_fn` decides: a function that gets a list of items and
# returns the batch. Two of your functions, one after the other, are one.


# %%
def collate(batch: list[str]) -> Tensor:
    """Turn B texts into a box (B, T, F)."""
    return pad(token_vectors(nlp, batch))


loader = DataLoader(texts, batch_size=12, collate_fn=collate)
for padded in loader:
    print("(B, T, F) =", tuple(padded.shape))

# %% [markdown]
# Every batch has a T of its own, that of its longest sentence. How much of the last one is padding?

# %%
plots.padding(padded)

# %% [markdown]
# ## 3. Back to the lengths
#
# Somebody hands you a padded batch without the lengths. Can you find them? Nearly. A step whose F
# numbers are all 0 is padding *if no filled step comes behind it*. A real token may have a vector
# of zeros, too; in the middle of a sentence it is seen to be a token, because something follows. As
# the last token of a sentence it looks like padding, and nothing can be done. So whoever pads
# should keep the lengths.

# %% definition="sentence_lengths.sentence_lengths"

# %% check="sentence_lengths"
check("sentence_lengths", sentence_lengths)

# %% [markdown]
# **Try it.** These two rows should be the same.

# %%
print(sentence_lengths(padded).tolist())
print([len(sentence) for sentence in token_vectors(nlp, texts[-12:])])

# %% [markdown]
# ## 4. Packing
#
# Padding costs time, and a layer that reads zeros behind the last token changes its state by that.
# A *packing* has no zeros at all. It is no box, but one long list of vectors, in the order in which
# a recurrent layer needs them: first the first tokens of all sentences, then the second tokens of
# those that have one, and so on. So that the sentences that are still running stand together, they
# are sorted by length, longest first.

# %%
plots.packing([["Rain", "stops", "play"], ["Oil", "rose", "in", "New", "York"], ["Goal", "!"]])

# %% [markdown]
# The arrows on the right show the order: column by column. A `PackedSequence` has four parts:
#
# - `data`: the vectors, in this order, shape (tokens, F);
# - `batch_sizes`: how many sentences have a token at each step, here 3, 3, 2, 1, 1;
# - `sorted_indices`: which sentence stands in which row, here 1, 0, 2;
# - `unsorted_indices`: the way back.
#
# The last two are None where the packing was told that the sentences are sorted already
# (`enforce_sorted=True`, which is the default).

# %% definition="pack_sentences.pack_sentences"

# %% check="pack_sentences"
check("pack_sentences", pack_sentences)

# %% [markdown]
# **Try it.** How many steps does a layer compute for these texts, padded and packed?

# %%
sentences = token_vectors(nlp, texts)
packed, alive = pack_sentences(sentences)
print("padded:", len(sentences) * len(alive), "steps; packed:", len(packed.data))
print("sentences at each step:", alive.tolist())

# %% [markdown]
# ## 5. And back

# %% definition="unpack.unpack"

# %% check="unpack"
check("unpack", unpack)

# %% [markdown]
# **Try it.** Packed and unpacked, every sentence is what it was.

# %%
back = unpack(packed)
print(all(map(torch.equal, back, sentences)))

# %% [markdown]
# ### Question 2
#
# Padding or packing: what does each of them cost, and what does it change for a recurrent layer?
# When would you take which? (four or five sentences)

# %% [markdown] question="padding-or-packing" points=5
# *A full answer says:* padding makes one box (B, T, F), easy to index and to hand to any layer, but
# it takes memory and time for zeros, the more so the more the lengths differ; a recurrent layer
# reads the zeros as if they were tokens, so that the forward state goes on changing behind the last
# token, the backward direction starts with padding, and the same sentence gets other states in
# another batch. Packing holds the tokens alone and says how many sentences run at each step: no
# step is wasted, `h_n` is each sentence's own last state in both directions; but only recurrent
# layers take it, the sentences are sorted inside, and the lengths must be known. Packing for
# recurrent layers; padding (with a mask) for everything else, or where lengths hardly differ.
#
# *Marks:* 1 what padding costs, 1 a layer reads padding and its states change, 1 a packing computes
# tokens only and gives each sentence's own last states, 1 what packing cannot do or needs, 1 a
# sensible choice with a reason.

# %% [markdown]
# ## 6. An LSTM over packed sentences
#
# A recurrent layer takes a packing in place of a box. Its `output` is a packing, too; `h_n` is what
# it always is, shape (L * D, B, H): the states after the last step of each layer and direction.
# With a packing that is each sentence's *own* last step, and the rows are in the order in which the
# sentences were given.

# %% definition="sentence_states.sentence_states"

# %% check="sentence_states"
check("sentence_states", sentence_states)

# %% [markdown]
# **Try it.** A short sentence beside a long one: are its states the same as if it stood alone?

# %%
torch.manual_seed(0)
lstm = nn.LSTM(96, 32, num_layers=2, batch_first=True, bidirectional=True)
both = token_vectors(nlp, ["Goal!", texts[0]])
with torch.no_grad():
    alone = sentence_states(lstm, both[:1])[0]
    packed_states = sentence_states(lstm, both)[0]
    _, (h_n, _) = lstm(pad(both))
    padded_states = torch.cat([h_n[-2, 0], h_n[-1, 0]])
print(f"packed: they differ by at most {(packed_states - alone).abs().max():.7f}")
print(f"padded: they differ by at most {(padded_states - alone).abs().max():.7f}")

# %% [markdown]
# ## 7. A faster pipeline
#
# Look at the costs at the top again. Which components do you need for vectors, and nothing but
# vectors? `spacy.load` can leave components out, in three ways: `exclude=[...]` does not even load
# them, `disable=[...]` loads them and switches them off, `enable=[...]` switches all others off.
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
# ### Question 3
#
# A training run goes through the same 120,000 texts ten times, and most of its time goes into the
# loading pipeline: from texts to padded batches. What would you do to make it faster? Name at least
# three things, and what each of them saves. (five or six sentences)

# %% [markdown] question="faster-loading" points=5
# *A full answer says* three or more of: leave out the components that make no vectors (saves about
# three quarters here, same vectors); hand over many texts at a time, `nlp.pipe` with a large
# `batch_size` (saves overhead for each text); compute the vectors once and keep them, in memory or
# in a file, because they are the same in every epoch (saves nine of ten passes); load the pipeline
# once and not in every call; several processes, `n_process` or `num_workers` of the DataLoader, so
# that loading goes on while the model learns (uses other cores); batches of sentences of similar
# length, or packing (saves padding, and so time in the model); a GPU for tok2vec. Keeping the
# vectors is what saves most, but 120,000 texts of some 40 tokens are 5 million vectors of 96
# numbers, about 2 gigabytes in float32.
#
# *Marks:* 1 for each measure with what it saves, at most 3; 1 vectors computed once and kept (or
# why not); 1 a word on what a measure costs, such as memory, or on measuring before and after.

# %% [markdown]
# **Before you hand in:** *Kernel, Restart Kernel and Run All Cells*, look through the tables once
# more, save. The button *Validate* does the same and says whether every check passes.

# %% definition="collate_with_lengths.collate_with_lengths"

# %% check="collate_with_lengths"
check("collate_with_lengths", collate_with_lengths)

# %% definition="masked_pooling.masked_mean"

# %% definition="masked_pooling.masked_max"

# %% check="masked_pooling"
check("masked_pooling", masked_mean, masked_max)

# %% definition="length_buckets.length_buckets"

# %% check="length_buckets"
check("length_buckets", length_buckets)
