"""Submissions that attack, or go wrong: graded in each set-up, beside honest neighbours.

An entry of the bank, `tests/submissions/hostile/*.toml`, is the reference with something in it:

    module    the module that is changed [dataset]
    code      stands in front of it; `replace` are pairs of texts in it; `source` replaces it all
    files     further modules of the submission
    marks     the exact points of the tasks that are graded
    why       what earns them, where they are neither all nor none
    says      what the first message of the module's tasks says; `status` is that check's
    seconds   the longest that grading these tasks may take [60]
    limit     seconds that the submission is given, where it would use any time [240]
    only      the one tier in which it may be tried: it would harm the machine, or the test, else
    unguarded the marks in the tier limits, where that allows more than the sandbox
    sentinel  it stands for its kind in the quick suite, in the set-ups that do not grade all there

In the texts, {gradebook}, {answers} and {folder} are files outside and their folder, {secret} is
what stands in them, {kit} is the kit's folder, {port} is listened to on loopback, {grader} is the
grader's process, {queue} a queue of messages of the same user's. Code calls `breach(what)` where an
attack got through; what it did is looked for as well.
"""
