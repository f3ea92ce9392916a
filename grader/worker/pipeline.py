"""The name of the spaCy pipeline that submissions use."""

MODEL = "en_core_web_sm"
