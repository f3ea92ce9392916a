"""The nbgrader course of this kit."""

c = get_config()  # noqa: F821 - nbgrader defines it

c.CourseDirectory.course_id = "news-classifier"
