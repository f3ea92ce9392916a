"""The part of the grader that runs beside student code and returns plain data.

It knows no expected values, thresholds or points, and imports nothing else of `grader`. A worker
process needs no other folder of the kit.
"""
