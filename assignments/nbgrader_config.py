"""The nbgrader course of this kit."""

from grader.course import configure

c = get_config()

c.CourseDirectory.course_id = "news-classifier"
configure(c)
