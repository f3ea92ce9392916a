"""Grades submissions: student code runs in `grader.worker`, checks judge it from outside."""

import news  # from here on `import torchtext` works


def _own_news() -> "news.rows.Own | None":
    from grader.contract import course_news

    return course_news.own()


news.rows.use_own(_own_news)
