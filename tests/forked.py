"""Functions in a process of their own, which may be killed or lack a disk."""

import multiprocessing
import resource
from contextlib import contextmanager

_CONTEXT = multiprocessing.get_context('fork')


@contextmanager
def forked(function, *args):
    """A process that calls ``function(tell, *args)``.

    Yields the process and what the function has told first.
    """
    receiver, sender = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=function, args=(sender.send, *args))
    process.start()
    # A process that ends without a word is an EOFError here.
    sender.close()
    try:
        yield process, receiver.recv()
    finally:
        process.kill()
        process.join()


def on_full_disk(function, *args, size=1000):
    """What a function raises that can write ``size`` bytes into a file."""

    def call(tell):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        try:
            function(*args)
        except Exception as error:
            tell(error)
        else:
            tell(None)

    with forked(call) as (_, error):
        return error
