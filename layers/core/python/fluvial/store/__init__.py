"""DynamoDB, behind one door: `table.py` speaks to it, `keys.py` spells keys, each other file knows one entity."""
