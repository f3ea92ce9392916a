"""Extracts the modules of a submission, one per task, from the code cells of a notebook.

A module gets the statements that give its names, such as `Collate`, and whatever those need:
helpers, imports and constants of earlier cells, and what fills or changes these. All else at the
top level (calls, plots, training runs) is left out, and so are variables that come from data or
from a training run: a part that uses one of these fails where it does, and is told so. What counts
is what running the cells from the top down would leave behind; so a notebook means the same in a
kernel, where nobody knows a cell's metadata, and in `nbgrader autograde`, however its cells were
renamed, doubled or moved.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from grader.base.errors import UsageError
from grader.contract.names import shown
from grader.contract.tasks import Assignment, Task, assignments
from grader.intake.ipython import require_short, run, written_module
from grader.intake.sources import MAX_NOTES, CellLine, Sources, bounded, left_out
from grader.intake.statements import (
    MAX_CELL,
    SETUP,
    Cell,
    Statement,
    defined,
    is_data,
    is_of_the_kit,
    lines_of,
    probably_given,
    statements,
    touched,
    without_definitions,
)

MAX_CODE = 256 << 10  # characters of all cells
KIT_NAMES = {"check", "predict", "progress"}  # where they come from a star import
IMPORTED = re.compile(rb"^[ \t]*(?:import|from)[ \t]+(?:exercise\.|\.)?(\w+)", re.MULTILINE)
MAX_PARAMETERS = 8  # that a message lists

Line = tuple[str, CellLine]


@dataclass
class Program:
    """All that the cells of a notebook say, parsed once for all tasks.

    Attributes:
        cells: the code cells, from the top to the bottom.
        parsed: the statements of each; None if it is no Python, or too long to be parsed.
        imports: name to the module that it comes from.
        functions: the names of the notebook's own functions and classes.
        given: all names that the notebook binds.
        data: the indices of statements that depend on data or on a training run.
        variables: the names that only such statements give.
        filled: names of what was empty before such a statement filled it; the cell's index.
        written: modules that cells write with `%%writefile`.
        notes: lines about all of it.
    """

    cells: list[Cell]
    parsed: list[list[Statement] | None]
    imports: dict[str, str] = field(default_factory=dict)
    functions: set[str] = field(default_factory=set)
    given: set[str] = field(default_factory=set)
    data: set[int] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)
    filled: dict[str, int] = field(default_factory=dict)
    written: dict[str, Cell] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def extract_modules(
    name: str,
    cells: Sequence[Cell],
    assignment: Assignment,
    beside: Mapping[str, bytes] | None = None,
) -> Sources:
    """Make a submission of a notebook's code cells, given from the top to the bottom.

    Each task gets a module of its own, named after the task, even if tasks share a file. So a cell
    that is not valid Python, or a name that is used twice, does not affect the other tasks.

    Args:
        name: what reports call it.
        cells: the code cells.
        assignment: whose tasks the modules are for.
        beside: modules that were handed in beside the notebook.

    Raises:
        UsageError: there is too much code, or a task needs a cell that is too long to be read.
    """
    cells = [cell for cell in cells if not cell.text.startswith(SETUP)]
    long = [cell for cell in cells if len(cell.text) > MAX_CELL]
    require_short(name, [cell.text for cell in cells if cell not in long], MAX_CODE)
    program = _program(cells, assignment, beside or {})
    files: dict[str, bytes] = {}
    names: dict[str, str] = {}
    origins: dict[str, list[CellLine]] = {}
    variables: dict[str, str] = {}
    for task in [task for task in assignment.tasks.values() if task.module]:
        lines, statements, lacking = _module(task, program)
        _require_no_long_cell(name, task, long, statements)
        files[task.id] = "".join(f"{text}\n" for text, _ in lines).encode("utf-8", "replace")
        names[task.id] = f"notebook-{task.id}"
        origins[task.id] = [origin for _, origin in lines]
        variables |= lacking
    for module, cell in program.written.items():
        files.setdefault(module, cell.text.encode("utf-8", "replace"))
        names.setdefault(module, f"{module}.py")
    for module, source in _imported(files, beside or {}).items():
        files[module] = source
        names[module] = f"{module}.py"
    notes = [*(_too_long(cell) for cell in long), *program.notes]
    return Sources(name, files, names, notes=bounded(notes), origins=origins, variables=variables)


def _imported(files: Mapping[str, bytes], beside: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the modules beside a notebook that its modules import, and those that they import."""
    found: dict[str, bytes] = {}
    left = [*files.values()]
    while left:
        for name in IMPORTED.findall(left.pop()):
            module = name.decode("utf-8", "replace")
            if module in beside and module not in found and module not in files:
                found[module] = beside[module]
                left.append(beside[module])
    return found


def assignment_of_cells(cells: Iterable[Cell]) -> Assignment:
    """Return the assignment whose parts the cells define; the main one if it is not clear."""
    names = {name for cell in cells for name in defined(cell.text)}
    return max(assignments().values(), key=lambda each: len(_parts(each) & names))


def _parts(assignment: Assignment) -> set[str]:
    return {name for task in assignment.tasks.values() for name in task.names}


def last_versions(history: Sequence[str]) -> list[Cell]:
    """Return the cells that a kernel ran, in the order of their first run, with their last text.

    A kernel only knows texts, not cells. A text that defines everything that an earlier one defined
    counts as the same cell, edited and run again. It may be another one: imports and constants of
    the earlier text that it lacks are kept.

    Args:
        history: the texts of all runs; the index of each is the number that Jupyter shows for it.
    """
    kept: list[Cell] = []
    for number, text in enumerate(history):
        if text.startswith(SETUP):
            continue
        names, given = defined(text), probably_given(text)
        others: list[Cell] = []
        place = len(kept)
        for before in kept:
            if before.text == text or (defined(before.text) and defined(before.text) <= names):
                place = min(place, len(others))
                rest = without_definitions(before.text)
                if probably_given(rest) <= given:
                    continue
                place = len(others) + 1  # it gives more: that stays, and this one comes below
                before = replace(before, text=rest)
            others.append(before)
        kept = [*others[:place], Cell(text, f"cell [{number}]"), *others[place:]]
    return kept


def _program(cells: Sequence[Cell], assignment: Assignment, beside: Mapping[str, bytes]) -> Program:
    """Parse all cells and find out what each statement is for."""
    program = Program([*cells], [])
    task_modules = {*assignment.tasks, *assignment.modules}
    inlined = {
        module: Cell(source.decode("utf-8", "replace"), f"{module}.py")
        for module, source in beside.items()
        if module in task_modules and len(source) <= MAX_CELL
    }
    for cell in cells:
        if len(cell.text) > MAX_CELL:
            program.parsed.append(None)
            continue
        if written := written_module(cell.text):
            module, source, is_appended = written
            inline = module in task_modules
            modules = inlined if inline else program.written
            if is_appended and module in modules:
                source = f"{modules[module].text}\n{source}"
            if inline or not left_out(module):
                modules[module] = Cell(source, cell.name)
            program.parsed.append([])
            program.notes.append(f"{shown(module)}.py is written by a cell; it was read as that.")
            continue
        own = {*inlined, *program.written, *(beside or {})}
        program.parsed.append(_inlined(statements(Cell(run(cell.text, own), cell.name)), inlined))
    _classify(program, _parts(assignment))
    return program


def _inlined(found: list[Statement] | None, written: Mapping[str, Cell]) -> list[Statement] | None:
    """Replace an import from a module by the cell that wrote the module."""
    if not found or not written:
        return found
    whole: list[Statement] = []
    for each in found:
        module = next((source for source in each.imports.values() if source in written), None)
        if module is None:
            whole.append(each)
        else:
            whole += statements(written[module]) or []
    return whole


def _classify(program: Program, parts: set[str]) -> None:
    """Find out which statements depend on data, on a part that is called, or on the kit."""
    kit: set[str] = set()
    for index, found in enumerate(program.parsed):
        for each in found or []:
            program.imports |= each.imports
            program.given |= each.gives
            if is_of_the_kit(each):
                kit |= each.gives
            if each.defines:
                program.functions |= each.gives
        program.parsed[index] = found and [each for each in found if not is_of_the_kit(each)]
    kit |= KIT_NAMES - program.given
    running = _running(program, parts)
    data: set[str] = {*kit}
    empties: set[str] = set()
    for at, found in enumerate(program.parsed):
        for each in found or []:
            if each.defines or each.imports:
                data -= each.gives
                continue
            if not (each.loads_data or each.calls & running or each.reads & data):
                data -= each.gives
                empties = (empties - each.gives) | each.empties
                continue
            program.data.add(id(each))
            for name in (each.fills & empties) - each.gives:
                program.filled.setdefault(name, at)
            data |= (each.gives - program.functions) | (each.fills & empties)
    given = {
        name for each in _all(program.parsed) if id(each) not in program.data for name in each.gives
    }
    program.variables |= data - kit - given - {*program.filled}


def _running(program: Program, parts: set[str]) -> set[str]:
    """List what reads data or runs a part when it is called, itself or through other functions."""
    found = {*parts}
    callers: dict[str, list[str]] = defaultdict(list)
    for each in _all(program.parsed):
        found |= {call for call in each.calls | each.body_calls if is_data(call, program.imports)}
        if each.body_loads_data:
            found |= each.gives
        for function in each.gives if each.body_calls else ():
            for call in each.body_calls:
                callers[call].append(function)
    left = [*found]
    while left:
        for function in callers[left.pop()]:
            if function not in found:
                found.add(function)
                left.append(function)
    return found


def _all(parsed: Iterable[list[Statement] | None]) -> list[Statement]:
    return [each for found in parsed for each in found or []]


def _module(task: Task, program: Program) -> tuple[list[Line], list[Statement], dict[str, str]]:
    """Return the lines of a task's module, their statements, the variables that it lacks."""
    wanted = set(task.names)
    end = _end(task, program)
    before = program.parsed[:end]
    missing = wanted - _given(before)
    broken = [
        cell
        for cell, found in zip(program.cells, before, strict=False)
        if found is None and len(cell.text) <= MAX_CELL and defined(cell.text) & missing
    ]
    variables = program.variables | {n for n, at in program.filled.items() if at < end}
    kept = _needed(_all(before), wanted, program, variables)
    lines = [line for each in kept for line in each.lines]
    lines += [line for cell in broken for line in lines_of(cell)]
    return lines, kept, _used_variables(kept, variables)


def _end(task: Task, program: Program) -> int:
    """Return the index behind the last cell that counts for a task.

    That is the one that checks it, or the last one below that defines a part of it again.
    """
    call = re.compile(rf"^check\(\s*[\"']{task.id}[\"']", re.MULTILINE)
    cells, wanted = program.cells, set(task.names)
    checks = [index for index, cell in enumerate(cells) if call.search(cell.text)]
    end = checks[-1] if checks else len(cells)
    if not wanted <= _given(program.parsed[:end]):  # the check may have been moved
        end, checks = len(cells), []
    above = {cell.text for cell in cells[:end]}
    for index in range(end, len(cells)):
        again = wanted & {
            name for each in program.parsed[index] or [] for name in _defined_again(each, program)
        }
        if again and cells[index].text not in above:
            end = index + 1
            for name in sorted(again):
                program.notes.append(
                    f"{name} is defined again below its check, in {cells[index].name}: "
                    "that one counts."
                )
    return end


def _defined_again(each: Statement, program: Program) -> set[str]:
    """List the names that a statement defines or changes; a variable of that name is no part."""
    if id(each) in program.data:
        return set()
    defines = each.defines or each.imports or each.needs & program.functions
    return each.fills | (each.gives if defines else set())


def _given(parsed: Iterable[list[Statement] | None]) -> set[str]:
    return {name for each in _all(parsed) for name in each.gives}


def _needed(
    found: list[Statement], wanted: set[str], program: Program, variables: set[str]
) -> list[Statement]:
    """Keep the statements that give or change what is wanted, and what those need in their turn.

    Each name and each statement is looked at once.
    """
    found = sorted(found, key=lambda each: not each.first)
    by_name: dict[str, list[int]] = defaultdict(list)  # who gives it or changes it
    callers: dict[str, list[int]] = defaultdict(list)  # who calls a function when it runs
    changers: dict[str, list[str]] = defaultdict(list)  # functions that change it when called
    outer: dict[str, list[str]] = defaultdict(list)  # functions that call a function
    for index, each in enumerate(found):
        if id(each) in program.data:
            continue
        for name in each.gives | touched(each, program.imports, program.given):
            by_name[name].append(index)
        for name in each.calls:
            callers[name].append(index)
        for function in each.gives if each.effects or each.body_calls else ():
            for name in each.effects:
                changers[name].append(function)
            for name in each.body_calls:
                outer[name].append(function)
    kept = {index for index, each in enumerate(found) if each.always}
    names: list[str] = [*wanted]
    functions: list[str] = []
    seen, effective = set(wanted), set[str]()
    while names or functions:
        if functions:
            function = functions.pop()
            new, more = callers[function], outer[function]
        else:
            name = names.pop()
            if name in variables:
                continue
            new, more = by_name[name], changers[name]
        functions += [each for each in more if each not in effective]
        effective.update(more)
        for index in new:
            if index not in kept:
                kept.add(index)
                fresh = found[index].needs - seen
                seen |= fresh
                names += fresh
    return [found[index] for index in sorted(kept)]


def _require_no_long_cell(name: str, task: Task, long: list[Cell], kept: list[Statement]) -> None:
    """Check that a task does without the cells that are too long to be parsed.

    Raises:
        UsageError: it seems to need one.
    """
    needed = {*task.names}.union(*(each.needs for each in kept)) - _given([kept])
    for cell in long:
        if needed & probably_given(cell.text):
            raise UsageError(
                f"{name}: the task {task.id} needs a code cell of {len(cell.text):,} characters; "
                f"at most {MAX_CELL:,} are taken. Submit code only, without data in it."
            )


def _too_long(cell: Cell) -> str:
    return (
        f"A code cell of {len(cell.text):,} characters ({cell.name}) is left out; at most "
        f"{MAX_CELL:,} are read. No part needs it."
    )


def _used_variables(kept: list[Statement], variables: set[str]) -> dict[str, str]:
    """Return the variables of the notebook that a module uses but does not get; what to do."""
    found: dict[str, str] = {}
    for each in kept:
        for name in sorted(each.needs & variables):
            if len(found) < MAX_NOTES:
                found[name] = _instead(name, each)
    return found


def _instead(name: str, user: Statement) -> str:
    """Say what a part should use instead of a variable of the notebook."""
    told = f"`{name}` is a variable of the notebook, not of your"
    if user.is_class:
        if name in user.attributes:
            return f"{told} object: write self.{name}."
        return f"{told} object: give it to the object, keep it there, and write self.{name}."
    given = [each for each in user.parameters if each not in ("self", "cls")]
    if not given or len(given) > MAX_PARAMETERS:
        return f"{told} function: give it to the function as a parameter."
    return f"{told} function: use what the function is given ({', '.join(given)})."
