"""The trained models that come along, in `pretrained/`: kept, checked and measured."""
