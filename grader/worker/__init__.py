"""The side that runs beside student code: it does what it is told and returns plain data.

It knows no expected value, no threshold and no point, and imports nothing of the rest of
`grader`. Its folder is all that a worker process needs to see of the kit.
"""
