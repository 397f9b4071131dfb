# Copyright (c) mmuda authors.
"""Metafiles in the format of model-index, which ``mim`` reads."""

from pathlib import Path
from typing import Any

import yaml

from model_index.entries import NUMBERS, Collection, Entry, Folder

HEAD = f"""\
# Written by tools/misc/published_numbers.py from {NUMBERS}.
# There are no weights and no results of ours yet. Published Results are those
# of others; README.md says more.
"""


class _Dumper(yaml.SafeDumper):
    """Lists of texts in one line."""

    def represent_list(self, data: list) -> yaml.Node:
        flow = all(isinstance(value, str) for value in data)
        tag = self.DEFAULT_SEQUENCE_TAG
        return self.represent_sequence(tag, data, flow_style=flow)


_Dumper.add_representer(list, _Dumper.represent_list)


def metafile(folder: str, content: Folder, entries: list[Entry]) -> str:
    """Text of a metafile.

    Args:
        folder: Below ``configs``.
        content: What the file of published numbers says about it.
        entries: Its models.
    """
    collections = {
        paper['name']: collection(folder, paper)
        for paper in content['collections']
    }
    models = []
    for entry in entries:
        name = entry.paper['name']
        trained = entry.datasets(entry.cfg.train_dataloader)
        known = collections[name]['Metadata']['Training Data']
        known += [data for data in trained if data not in known]
        models += [
            {
                'Name': Path(leaf).stem,
                'In Collection': name,
                'Config': f'configs/{leaf}',
                'Metadata': {
                    'Training Data': [*trained],
                    'Architecture': entry.network,
                    **published_results(entry),
                },
            }
            for leaf in entry.leaves
        ]
    index = {'Collections': [*collections.values()], 'Models': models}
    return HEAD + yaml.dump_all(
        [index], Dumper=_Dumper, sort_keys=False, allow_unicode=True
    )


def collection(folder: str, paper: Collection) -> dict[str, Any]:
    """Entry of a paper, without the data of its models."""
    urls = {'URL': paper['url']} if 'url' in paper else {}
    return {
        'Name': paper['name'],
        # of what is here
        'License': 'Apache License 2.0',
        'Metadata': {
            'Training Data': [],
            'Training Techniques': [*paper['techniques']],
        },
        'Paper': {'Title': paper['title'], **urls},
        **({'Code': {'URL': paper['code']}} if 'code' in paper else {}),
        'README': f'configs/{folder}/README.md',
    }


def published_results(entry: Entry) -> dict[str, Any]:
    """Published numbers of a model, in the form of results.

    They are metadata: ``Results`` would be those of weights of ours.
    """
    results: dict[tuple[str, str], dict[str, float]] = {}
    for metric, number in entry.numbers.items():
        key = entry.metrics[metric], entry.certainty[metric]
        results.setdefault(key, {})[metric.partition('/')[2]] = number
    column = entry.model.get('column')
    model = {'Model': column} if column else {}
    listed = [
        {
            'Task': 'Semantic Segmentation',
            'Dataset': dataset,
            'Metrics': metrics,
            **model,
            'Source': entry.source,
            'Certainty': certainty,
        }
        for (dataset, certainty), metrics in results.items()
    ]
    return {'Published Results': listed} if listed else {}
