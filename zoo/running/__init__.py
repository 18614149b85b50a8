"""A run on disk, from the list of its trainings to its score tables.

`plan` lists the tasks, `stages` are what is done for one of them, `pipeline` does all of it; `folder` is where it lies,
`records` and `marks` what run.json and task.json say of it, `embeddings` what is kept between network and detector, `display`
what a person sees.
"""
