"""The fast road at level zero: what was derived for given specs is found by one look-up and run.

`record` is where `bind` arrives with a primitive; `operations` gives a face's functions tables of
their own; `runner` writes the function that such a table holds.
"""

from minigrad.eager.operations import Op, op, write_wrapper
