"""The commands of `schakel`: each in a module of its name or with its kin, imported only when it is used."""
