# ESL without the adversarial loss: cross entropy on the source and on
# pseudo-labels, chosen by entropy, of a network of the source alone.
_base_ = './esl.py'
method = dict(_delete_=True, type='SelfTraining', pseudo_label_weight=1.0)
