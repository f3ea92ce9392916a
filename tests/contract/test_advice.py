"""What a student is told to do about a common exception: each kind is tripped once."""

import functools
import re

import pytest

from grader.contract.messages import Failure
from grader.contract.mistakes import rows
from grader.contract.tasks import tasks
from grader.grading.session import session
from grader.intake.sources import Sources

CODE = {  # lines of NewsDataset.__init__, and words of the advice
    "layer of another size": (
        "import torch; torch.nn.Linear(3, 2)(torch.zeros(1, 4))",
        "Print the shape of its input",
    ),
    "lstm of another size": (
        "import torch; torch.nn.LSTM(3, 2)(torch.zeros(1, 1, 4))",
        "Print the shape of its input",
    ),
    "states of another size": (
        "import torch; torch.nn.LSTM(3, 2)(torch.zeros(2, 1, 3), (torch.zeros(2, 2, 2),) * 2)",
        "must have shape",
    ),
    "states for another batch": (
        "import torch; torch.nn.LSTM(3, 2)(torch.zeros(2, 1, 3), (torch.zeros(1, 4, 2),) * 2)",
        "another batch size",
    ),
    "states of one direction": (
        "import torch; torch.nn.LSTM(3, 2, 2)(torch.zeros(2, 1, 3), (torch.zeros(1, 1, 2),) * 2)",
        "2 * num_layers",
    ),
    "a label that is not in a list": ("[1, 2].index(5)", "no list of classes"),
    "joined along the wrong dimension": (
        "import torch; torch.cat([torch.zeros(2, 3), torch.zeros(4, 3)], dim=1)",
        "See its argument dim",
    ),
    "a pair of values and indices": (
        "import torch; torch.where(torch.ones(2) > 0, 0, torch.zeros(2, 2).max(dim=1))",
        "return two tensors, (values, indices)",
    ),
    "more than is left": ("import torch; torch.zeros(3).narrow(0, 2, 2)", "exactly `length`"),
    "sparse gradients": (
        "import torch; e = torch.nn.Embedding(2, 2, sparse=True)\n"
        "        a = torch.optim.Adam(e.parameters())\n"
        "        e(torch.tensor([0])).sum().backward(); a.step()",
        "Leave out sparse=True",
    ),
    "missing import": ("np.zeros(2)", "An import is missing"),
    "sizes that do not fit": (
        "import torch; torch.zeros(2) + torch.zeros(3)",
        "element by element",
    ),
    "rows of several lengths": (
        "import torch; torch.stack([torch.zeros(2), torch.zeros(3)])",
        "Shape mismatch",
    ),
    "dtype": (
        "import torch; torch.nn.Linear(1, 1)(torch.zeros(1, 1).double())",
        "float32",
    ),
    "target out of bounds": (
        "import torch; torch.nn.functional.cross_entropy(torch.zeros(1, 2), torch.tensor([2]))",
        "0 to C - 1",
    ),
    "no gradient": ("import torch; torch.zeros(()).backward()", "The gradient was cut off"),
    "cuda": ("import torch; torch.zeros(1).to('cuda')", "Do not name a device"),
    "two devices": (
        "raise RuntimeError('Expected all tensors to be on the same device, but found')",
        "Do not name a device",
    ),
    "input": ("input('label: ')", "Remove input()"),
    "breakpoint": ("breakpoint()", "--in-process"),
    "self forgotten": (
        "def f(): pass\n        self.f = f; type('A', (), {'f': f})().f()",
        "`self`",
    ),
    "unknown name": ("pears", "a typo, a missing import"),
    "before it has a value": ("n += 1", "before the loop"),
    "missing return": ("print().shape", "without a `return`"),
    "missing return, unpacked": ("a, b = print()", "without a `return`"),
    "unknown attribute": ("self.sample", "`self.name = ...`"),
    "model not installed": (
        "import spacy; spacy.load('en_core_web_lg')",
        "python -m grader doctor",
    ),
    "package not installed": ("import no_such_package", "remove the import"),
    "indentation": ("x = 1\n          y = 2", "the same number of spaces"),
    "missing block": ("for _ in samples:\n        pass", "the same number of spaces"),
    "tab": ("x = 1\n\tif x:\n        y = 2", "Use no tabs"),
    "syntax": ("x = (1", "perhaps a bracket"),
    "a command of a notebook": ("!pip list", "a command of a notebook"),
    "loss made and called at once": (
        "import torch; torch.nn.CrossEntropyLoss(torch.zeros(2, 3), torch.zeros(2))",
        "created first, then called",
    ),
    "layer made and called at once": (
        "import torch; torch.nn.functional.relu(torch.nn.ReLU(torch.zeros(2)))",
        "created first, then called",
    ),
    "two tensors instead of a list": (
        "import torch; torch.cat(torch.zeros(2), torch.zeros(2))",
        "expects a list of tensors",
    ),
    "number instead of a range": ("for _ in 3: pass", "range(n)"),
    "tuple indexed": ("pair = (1, 2); pair[:, -1]", "This is a tuple"),
    "tuple given to a layer": ("import torch; torch.relu((torch.zeros(1),))", "This is a tuple"),
    "tuple concatenated": (
        "import torch; torch.cat([torch.zeros(1), torch.max(torch.zeros(1, 1), 1)])",
        "This is a tuple",
    ),
    "attribute of a tuple": ("(1, 2).shape", "This is a tuple"),
    "array concatenated": (
        "import torch; import numpy; torch.stack([numpy.zeros(1)])",
        "torch.from_numpy",
    ),
    "too many parts": ("a, b = 1, 2, 3", "Print what is unpacked"),
    "too few parts": ("a, b = (1,)", "Print what is unpacked"),
    "embedding of vectors": (
        "import torch; torch.nn.Embedding(2, 2)(torch.zeros(1))",
        "remove the Embedding",
    ),
    "embedding of a large number": (
        "import torch; torch.nn.Embedding(2, 2)(torch.tensor([5]))",
        "remove the Embedding",
    ),
    "lengths along the wrong dimension": (
        "import torch; torch.nn.utils.rnn.pack_padded_sequence(torch.zeros(2, 3, 4), "
        "torch.ones(2, 4), True, False)",
        "one number per sentence",
    ),
    "lengths not sorted": (
        "import torch; torch.nn.utils.rnn.pack_padded_sequence(torch.zeros(2, 3, 4), "
        "torch.tensor([1, 2]), True)",
        "enforce_sorted",
    ),
    "a length of zero": (
        "import torch; torch.nn.utils.rnn.pack_padded_sequence(torch.zeros(2, 3, 4), "
        "torch.tensor([2, 0]), True)",
        "set such lengths to 1",
    ),
    "tensors without dimensions": (
        "import torch; torch.cat([torch.tensor(1), torch.tensor(2)])",
        "torch.stack joins them",
    ),
    "nothing to stack": ("import torch; torch.stack([])", "read only once"),
    "nothing to pad": ("import torch; torch.nn.utils.rnn.pad_sequence([])", "read only once"),
    "largest of nothing": ("max(iter([]))", "read only once"),
    "pair given to spacy": (
        "import spacy; spacy.blank('en')(('text', 1))",
        "Give it the text alone",
    ),
    "text that is too long": (
        "import spacy; spacy.blank('en')('a' * 1_000_001)",
        "Are all texts of the batch joined",
    ),
    "vector of a word": (
        "raise ValueError('[E010] Word vectors set to length 0.')",
        "token.vector of the tokens",
    ),
    "arguments of the loss swapped": (
        "import torch; torch.nn.functional.cross_entropy(torch.tensor([1, 2]), torch.zeros(2, 3))",
        "logits come first",
    ),
    "targets of floats": (
        "import torch; torch.nn.functional.cross_entropy(torch.zeros(2, 3), torch.zeros(2))",
        "class indices, dtype int64",
    ),
    "targets of two dimensions": (
        "import torch; torch.nn.functional.nll_loss(torch.zeros(2, 3), torch.zeros(2, 1).long())",
        "no unsqueeze",
    ),
    "another number of targets": (
        "import torch; torch.nn.functional.cross_entropy(torch.zeros(2, 3), torch.zeros(4).long())",
        "Print both shapes",
    ),
    "binary loss of class indices": (
        "import torch; torch.nn.BCELoss()(torch.zeros(2, 3), torch.zeros(2))",
        "use the cross-entropy",
    ),
    "binary loss with logits of class indices": (
        "import torch; torch.nn.BCEWithLogitsLoss()(torch.zeros(2, 3), torch.zeros(2))",
        "use the cross-entropy",
    ),
    "binary loss of logits": (
        "import torch; torch.nn.BCELoss()(torch.ones(2) * 3, torch.zeros(2))",
        "yes-or-no",
    ),
    "backward twice": (
        "import torch; x = torch.ones(1, requires_grad=True).exp().sum(); "
        "x.backward(); x.backward()",
        "the same computation twice",
    ),
    "backward of several numbers": (
        "import torch; torch.ones(2, requires_grad=True).backward()",
        "a single number",
    ),
    "changed in place": (
        "import torch; x = torch.ones(1, requires_grad=True); x += 1",
        "changed in place",
    ),
    "numpy of a gradient": (
        "import torch; torch.ones(1, requires_grad=True).numpy()",
        "Call .detach()",
    ),
    "item of several": ("import torch; torch.ones(2).item()", "Only a tensor with one element"),
    "attribute of the probe": ("type('Probe', (), {})().init_hidden()", "a small model of its own"),
    "device called": ("import torch; torch.device('cpu')(1)", "The third argument of evaluate"),
    "unexpected argument": ("(lambda x: x)(y=1)", "Compare the parameters"),
    "missing argument": ("(lambda x, y: x)(1)", "Compare the parameters"),
    "argument given twice": ("(lambda x: x)(1, x=1)", "the same parameter"),
    "text as a number": ("'text' + 1", "A text, list or tuple"),
    "text read as a number": ("int('text')", "A text, list or tuple"),
    "texts as a tensor": ("import torch; torch.tensor(['a'])", "A tensor holds numbers, and this"),
    "news loaded by the class": (
        "from news import AG_NEWS; AG_NEWS(split=samples)",
        "gets its news as an argument",
    ),
    "dataset without items": (
        "import torch; torch.utils.data.Dataset()[0]",
        "__getitem__(self, index)",
    ),
    "module without forward": ("import torch; torch.nn.Module()(1)", "forward(self, padded)"),
    "torchtext": (
        "raise OSError('Could not load this library: lib/libtorchtext.so')",
        "from news import AG_NEWS",
    ),
    "unknown key": ("{}['loss']", "print its keys"),
    "divided by zero": ("1 / 0", "increased in the loop"),
    "too many indices": ("import torch; torch.zeros(2)[0, 0]", "fewer dimensions"),
    "layer before the base class": (
        "import torch; type('M', (torch.nn.Module,), "
        "{'__init__': lambda m: setattr(m, 'a', torch.nn.Linear(1, 1))})()",
        "super().__init__() first",
    ),
    "batch of the old torchtext": ("(1, 2).text", "belong to batches of the old torchtext"),
    "tensor given to spacy": (
        "import spacy, torch; list(spacy.blank('en').pipe([torch.zeros(1)]))",
        "texts, targets = zip(*batch)",
    ),
    "short name of a model": ("import spacy; spacy.load('en')", "removed in spaCy 3"),
    "no constructor": ("type('A', (), {})(1)", "two underscores"),
    "constructor that returns": (
        "type('A', (), {'__init__': lambda self: 1})()",
        "remove the `return` from __init__",
    ),
    "batch given to no constructor": (
        "def Collate(batch): pass\n        Collate()",
        "__call__(self, batch)",
    ),
    "object without __call__": ("self()", "a method __call__"),
    "states given one by one": (
        "raise TypeError('LSTM.forward() takes from 2 to 3 positional arguments but 4 were given')",
        "lstm(x, (h_0, c_0))",
    ),
    "one state of two": (
        "import torch; torch.nn.LSTM(3, 2)(torch.zeros(1, 2, 3), torch.zeros(2, 2, 2))",
        "One of them alone is not enough",
    ),
    "with without a call": (
        "import torch\n        with torch.no_grad: pass",
        "without `with`",
    ),
    "number instead of a tensor": ("(1.5).item()", "a plain number already"),
    "number of a batch": ("(1).to('cpu')", "enumerate(loader) yields"),
    "tuple compared": ("((1, 2) == 3).sum()", "compared as a whole"),
    "tensor called": ("import torch; torch.zeros(1)(2)", "optimizer.step() needs no argument"),
    "method not called": ("for _ in [].append: pass", "Parentheses are missing"),
    "model given to an optimizer": (
        "import torch\n        Model = type('MyModel', (torch.nn.Module,), {})\n"
        "        torch.optim.Adam(Model())",
        "model.parameters(), lr=lr",
    ),
    "length as a shape": ("import torch; range(torch.zeros(1).shape)", "x.shape[0] or len(x)"),
    "tuple changed": ("(1, 2)[0] = 3", "A tuple cannot be changed"),
    "list as a key": ("{[1]: 2}", "tuple(tokens[i : i + n])"),
    "list less a number": ("[1, 2] - 1", "Make a tensor of it first"),
    "label as a key": ("{'World': 0}[3]", "numbers from 1 to C, not names"),
    "lists of several lengths": (
        "import torch; torch.tensor([[1.0], [1.0, 2.0]])",
        "first pad them",
    ),
    "tensor of objects": ("import torch; torch.tensor([object()])", "doc.tensor holds the vectors"),
    "part of another size": (
        "import torch; torch.zeros(2, 3)[0, :2] = torch.zeros(3)",
        "the `Target sizes`",
    ),
    "input of four dimensions": (
        "import torch; torch.nn.LSTM(3, 2)(torch.zeros(1, 1, 1, 3))",
        "remove unsqueeze, view or stack",
    ),
    "bmm of a full batch": (
        "import torch; torch.bmm(torch.zeros(3, 1, 2), torch.zeros(2, 2, 1))",
        "take B from the batch at hand",
    ),
    "bmm of a matrix": (
        "import torch; torch.bmm(torch.zeros(1, 1, 1), torch.zeros(1, 1))",
        "three dimensions",
    ),
    "lstm of another dtype": (
        "import torch; torch.nn.LSTM(3, 2)(torch.zeros(1, 1, 3).double())",
        "Remove .double()",
    ),
    "negative target": (
        "import torch; torch.nn.functional.cross_entropy(torch.zeros(1, 2), torch.tensor([-1]))",
        "do not subtract 1 again",
    ),
    "component of a pipeline": ("import spacy; spacy.blank('en').tok2vec", "nlp.pipe_names"),
    "lengths given to the probe": (
        "raise TypeError('Probe.forward() takes 2 positional arguments but 3 were given')",
        "called with padded alone",
    ),
    "state of a cell with another dimension": (
        "import torch; torch.nn.RNNCell(1, 1)(torch.zeros(1, 1), torch.zeros(1, 1, 1))",
        "A cell makes one step",
    ),
    "name that torch lacks": ("import torch; torch.nn.Relu()", "upper and lower case. Layers"),
    "attribute of a document": (
        "import spacy; spacy.blank('en')('a').vectors",
        "has `text` and `vector`",
    ),
    "list instead of a tensor": ("[1].shape", "This is a list, not a tensor"),
    "text instead of a token": ("'a'.vector", "by self.nlp(text)"),
    "array instead of a tensor": (
        "import numpy; numpy.zeros(1).unsqueeze(0)",
        "makes a tensor of an array",
    ),
    "length of a generator": ("len(zip())", "no length, and no [i]"),
    "index into a generator": ("map(int, '1')[0]", "no length, and no [i]"),
    "shape called": ("import torch; torch.zeros(1).shape(0)", "x.shape[0]. The method"),
    "view after a transpose": ("import torch; torch.zeros(2, 3).T.view(6)", "use reshape"),
    "optimizer without parameters": ("import torch; torch.optim.Adam([])", "can be read again"),
    "mean of whole numbers": ("import torch; torch.tensor([1, 2]).mean()", "call .float() first"),
    "list given to from_numpy": (
        "import torch; torch.from_numpy([1])",
        "torch.from_numpy takes an array",
    ),
    "arrays of several lengths": (
        "import numpy; numpy.stack([numpy.zeros(1), numpy.zeros(2)])",
        "first pad them",
    ),
    "float as an index": ("[1][:1.0]", "// gives a whole number"),
    "tensor as an index": ("import torch; [1][torch.tensor([0, 1])]", "one whole number"),
    "number called": ("n = 5; n(3)", "Round brackets call a function"),
    "module called": ("import math; math(2)", "Round brackets call a function"),
    "number indexed": ("n = 5; n[0]", "This is a single number"),
    "length of one number": ("import torch; len(torch.tensor(1))", "no length, no [i] and no loop"),
    "tensor formatted": ("import torch; f'{torch.zeros(2):.4f}'", "for a single number"),
    "file that is not there": ("open('no-such-file.csv')", "use the arguments"),
    "two values appended": ("[].append(1, 2)", "append((a, b))"),
    "pair used as a dict": ("pair = (1, 2); pair['text']", "are for a dict"),
    "text used as a dict": ("text = 'a'; text['text']", "are for a dict"),
    "another number of dimensions joined": (
        "import torch; torch.cat([torch.zeros(1, 1), torch.zeros(1)])",
        "h_n[-1] two, (B, H)",
    ),
    "list instead of a tensor in a call": (
        "import torch; torch.relu([1.0])",
        "The function takes a tensor",
    ),
    "index that is too large": ("[1][5]", "the size minus 1"),
    "index of a tensor that is too large": (
        "import torch; torch.zeros(2)[5] = 1",
        "the size minus 1",
    ),
    "object put into a tensor": (
        "import torch; torch.zeros(1)[0] = object()",
        "A tensor holds numbers only",
    ),
    "one-hot of floats": (
        "import torch; torch.nn.functional.one_hot(torch.zeros(2))",
        "no one-hot rows are needed",
    ),
    "permuted with too many numbers": (
        "import torch; torch.zeros(2, 3).permute(1, 0, 2)",
        "transpose swaps two",
    ),
    "arguments that torch does not take": (
        "import torch; torch.squeeze()",
        "take one list of tensors",
    ),
    "dropout in percent": ("import torch; torch.nn.Dropout(50)", "a fraction between 0 and 1"),
    "parameter that an LSTM lacks": (
        "import torch; torch.nn.LSTM(3, 2, n_layers=2)",
        "The first two are required",
    ),
    "learning rate by another name": (
        "import torch; torch.optim.Adam([torch.zeros(1)], learning_rate=1)",
        "the learning rate as lr",
    ),
    "loss without targets": (
        "import torch; torch.nn.CrossEntropyLoss()(torch.zeros(1, 2))",
        "first the logits, then the targets",
    ),
    "evaluate without a device": (
        "(lambda: 0)()\n        def evaluate(model, loader, device): pass\n        evaluate(1, 2)",
        "has three parameters",
    ),
    "assert that fails": ("assert not samples", "An `assert` in your code"),
    "name that cannot be imported": ("from torch import LSTM", "Layers are in torch.nn"),
    "attribute of the exercise": ("self.targets", "under these names"),
    "pipeline without self": ("type('Collate', (), {})().nlp", "The pipeline belongs"),
    "base class with an argument": ("super().__init__(samples)", "super().__init__() without any"),
    "number that is too large": ("import torch; torch.tensor([2**64])", "too large for the tensor"),
    "loader called": (
        "import torch; torch.utils.data.DataLoader([1])()",
        "Round brackets call a function",
    ),
    "recursion": ("self.__init__(samples)", "calls itself"),
}


OF_TEXT = {  # the same for lines of sentence_lengths in text.py
    "too many parts": ("a, b = 1, 2, 3", "zip(*pairs) separates"),
    "number of an element": ("a, b = 5", "enumerate yields pairs"),
    "a length that is not in a list": ("[1, 2].index(5)", "the places of all elements"),
    "unknown number": ("{}[3]", "counts 0"),
    "unknown n-gram": ("{}[('a', 'b')]", "counts 0"),
    "id that has no row": ("nn.Embedding(2, 2)(torch.tensor([5]))", "from 0 to n - 1"),
    "lengths of another shape": (
        "rnn.pack_padded_sequence(torch.zeros(2, 3, 4), torch.ones(2, 4), True, False)",
        "how many tokens it has",
    ),
    "a length of zero": (
        "rnn.pack_padded_sequence(torch.zeros(2, 3, 4), torch.tensor([2, 0]), True)",
        "only sentences with a token",
    ),
    "text as a number": ("'text' + 1", "Print it just before"),
    "too many indices": ("torch.zeros(2)[0, 0]", "Print its shape just before this line."),
    "divided by zero": ("1 / 0", "Which number can be 0"),
    "view of another size": ("torch.zeros(14).view(-1, 3)", "split cuts into parts"),
    "tensor as a size": ("torch.zeros(2, torch.zeros(3, 4), 5)", "A size is a whole number"),
    "numbers to stack": ("torch.stack([1, 2])", "these are plain numbers"),
    "list beside numbers": ("torch.tensor([[[1.0], [2.0]], [[3.0], 0.0]])", "nested alike"),
    "list at several places": (
        "[1, 2][torch.tensor([1, 0])]",
        "The index of a list is one whole number",
    ),
    "list with two indices": ("[1, 2][:, 0]", "The index of a list is one whole number"),
    "index of a generator": (
        "nlp_pipe = (n for n in []); nlp_pipe[0]",
        "Put them into a list first",
    ),
    "length of a generator": ("len(zip([1], [2]))", "Put them into a list first"),
    "pair changed": ("torch.max(padded, dim=1)[0:1] = 0", "a pair (values, indices)"),
    "maximum of nothing": ("padded[:, :0].amax(dim=1)", "over nothing is not defined"),
    "shuffled by a generator": (
        "import random; random.shuffle([1], torch.Generator())",
        "takes the list alone",
    ),
    "permutation of a generator": ("torch.randperm(torch.Generator())", "by its name"),
    "list given to torch": ("torch.argsort([2, 1])", "The function takes a tensor"),
    "shape of a list": ("[1, 2].shape", "This is a list, not a tensor"),
    "list compared": ("[1, 2] < 3", "A list cannot be compared"),
}
OF_THE_NEWS = re.compile(r"AG_NEWS|Collate|NewsDataset|LSTMClassifier|loader|class index")


IN_A_PROCESS_OF_ITS_OWN = ("input", "breakpoint")  # pytest itself answers these two


@functools.cache
def told(lines: str, in_process: bool = True) -> str:
    """The message about a `NewsDataset` whose constructor has these lines."""
    text = f"class NewsDataset:\n    def __init__(self, samples):\n        {lines}\n"
    sources = Sources("s", {"dataset": text.encode()}, {"dataset": "exercise/dataset.py"})
    with session(sources, device="cpu", in_process=in_process) as opened:
        opened.tries_edits = False
        return opened.run(tasks()["dataset"].checks[0]).message


@functools.cache
def told_of_text(lines: str) -> str:
    """The message about a `sentence_lengths` that has these lines."""
    text = (
        "import torch\nfrom torch import nn\nfrom torch.nn.utils import rnn\n"
        f"def sentence_lengths(padded):\n    {lines}\n"
    )
    sources = Sources("s", {"text": text.encode()}, {"text": "exercise/text.py"})
    with session(sources, assignment="words-to-tensors", device="cpu", in_process=True) as opened:
        opened.tries_edits = False
        return opened.run(tasks()["sentence_lengths"].checks[0]).message


def told_in(case: str) -> str:
    return told(CODE[case][0], in_process=case not in IN_A_PROCESS_OF_ITS_OWN)


@pytest.mark.parametrize("case", CODE)
def test_a_common_exception_comes_with_what_to_do_next(case: str) -> None:
    message = told_in(case)
    assert CODE[case][1] in message.splitlines()[-1], message


@pytest.mark.parametrize("case", OF_TEXT)
def test_advice_on_another_assignment_does_not_speak_of_the_news(case: str) -> None:
    lines, words = OF_TEXT[case]
    advice = told_of_text(lines).splitlines()[-1]
    assert words in advice
    assert not OF_THE_NEWS.search(advice)


def test_each_row_of_advice_is_tripped_by_a_case() -> None:
    tripped = {told_in(case).splitlines()[-1] for case in CODE}
    tripped |= {told_of_text(lines).splitlines()[-1] for lines, _ in OF_TEXT.values()}
    assert [row.says for row in rows() if row.advice not in tripped] == []


def test_another_exception_has_no_advice() -> None:
    assert told("raise ValueError('mine')").endswith("raise ValueError('mine')")


def test_a_missing_return_is_told() -> None:
    message = str(Failure("f()", "It returned None", "a number"))
    assert message == "`f()`\n  got:      None\n  expected: a number\nIs there a `return`?"
