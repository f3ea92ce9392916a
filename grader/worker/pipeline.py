"""The spaCy pipeline that submissions are to use."""

MODEL = "en_core_web_sm"
