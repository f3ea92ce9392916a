"""Submissions that attack the grader or go wrong, graded in each set-up beside honest ones.

An entry of the bank, `tests/submissions/hostile/*.toml`, is the reference with something in it:

    module    the module that is changed [dataset]
    code      is inserted at its start; `replace` are pairs of texts in it; `source` replaces it
    files     further modules of the submission
    marks     the exact points of the graded tasks
    why       what earns them, if they are neither all nor none
    says      part of the first message of the module's tasks; `status` is that check's
    seconds   the time within which these tasks must be graded [60]
    limit     the time limit of the submission, if it would use any amount of time [240]
    only      the only tier to try it in, because it would harm the machine or the test otherwise
    unguarded the marks in the tier limits, if that allows more than the sandbox
    sentinel  represents its kind in the quick suite, in set-ups that do not grade all entries

In the texts, {gradebook}, {answers} and {folder} are files outside of the sandbox and their folder,
{secret} is their content, {kit} is the kit's folder, {port} is a port with a listener on loopback,
{grader} is the grader's process, and {queue} is a message queue of the same user. Code calls
`breach(what)` where an attack got through; the tests also look for its effects.
"""
