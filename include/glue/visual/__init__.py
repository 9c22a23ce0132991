"""The nodes of a Glue Studio job, each as one call; infra/visual writes the script that makes these calls.

    run      the sources, transforms and target of a script        catalog   tables and partitions of the Glue catalog
    target   the objects of the target, and their partitions in the catalog

The script takes one argument, `--sessions`, as the job refine does: 2020-04-29,30. Glue Studio's own script would read
every partition of the sources and add files to the target at each run. This one reads the sessions that it is told,
puts one object of a fixed name in each partition, and removes what a former run left and this one does not want. So a
rerun leaves the same bytes, and one after a kill finishes the work.

A session's rows are the same whatever sessions a run reads: the nodes group by trade date.
"""
