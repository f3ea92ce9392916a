"""The spaCy pipeline that submissions use: its name, and what the vectors do without."""

MODEL = "en_core_web_sm"
# In an sm pipeline, `token.vector` is a row of tok2vec's output; the other components read it and
# do not change it.
UNUSED = ("tagger", "parser", "attribute_ruler", "lemmatizer", "ner")
