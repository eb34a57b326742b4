"""The referee: holds an export to its checkpoint.

What an answer should be is computed here as a user of transformers would: ids of the fast
tokenizer, logits of the model, a softmax, the tokenizer's `decode`. Nothing that writes the graph
is imported, so a wrong fact there meets a right one here. `tfmlm fill` and `tfmlm score` on a
checkpoint folder use the same classes.
"""
