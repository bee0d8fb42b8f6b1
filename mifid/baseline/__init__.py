"""The reference trainer: photos and paintings in, a generator and its pictures out.

It imports no metric; whoever trains hands in what scores (:class:`mifid.baseline.run.loop.Scorer`).
"""
