"""The whole of Fluvial on this machine: `python -m local up|down|account|demo|upload`, or `make` instead.

    server     starts and stops the emulator (ministack), one process group per port
    deploy     packages template.yaml and creates the stack from it
    localise   applies, through the AWS API, what the emulator drops from a template
    stack      up(), down() and create_account() out of these three; what the tests use
    state      what is remembered between commands, under `.local/`
    receiver   a webhook receiver that verifies signatures
    demo       the tour that `make demo` gives; `warm`, `client` and `show` are its parts
    upload     what `make upload` does, here and to a deployed stack; `calls`, `parts` and `progress` are its parts

Nothing in here runs on AWS.
"""
