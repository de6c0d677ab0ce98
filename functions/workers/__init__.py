"""The workers: one module, one Lambda, one kind of event. None of them speaks HTTP."""
