# Copyright (c) mmuda authors.
"""The parts of the benchmark with the options of its command line."""

import argparse
import copy
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from mmengine.config import Config

from benchmarks.data import (
    label_rows,
    loading_rows,
    make_data,
    sampler_rows,
)
from benchmarks.evaluation import evaluation_rows
from benchmarks.file_predictions import prediction_rows
from benchmarks.image_formats import image_format_rows
from benchmarks.lab_translation import lab_translation_rows
from benchmarks.labelling import labelling_rows
from benchmarks.labelling_memory import labelling_memory_rows
from benchmarks.measure import Row
from benchmarks.online_self_training import self_training_rows
from benchmarks.precisions import precision_rows
from benchmarks.scaling import (
    class_statistics_rows,
    process_rows,
    require_cores,
)
from benchmarks.setting import (
    scale_sizes,
    set_depth,
    without_pretrained,
)
from benchmarks.several_targets import several_targets_rows
from benchmarks.several_targets_evaluation import (
    several_targets_evaluation_rows,
)
from benchmarks.several_targets_memory import (
    several_targets_memory_rows,
)
from benchmarks.start_up import start_up_rows
from benchmarks.steps import step_rows
from benchmarks.training import memory_rows, speed_rows
from benchmarks.training_case import TrainingCase
from mmuda.utils.config import (
    load_config,
)
from mmuda.utils.config_data import (
    override_data_roots,
)

PARTS = (
    'start_up',
    'speed',
    'steps',
    'memory',
    'loading',
    'image_formats',
    'labels',
    'evaluation',
    'prediction',
    'labelling',
    'labelling_memory',
    'scaling',
    'sampler',
    'several_targets',
    'several_targets_memory',
    'several_targets_evaluation',
    'lab_translation',
    'online_self_training',
    'precisions',
)
# By itself: it takes minutes, and is for a GPU.
DEFAULT_PARTS = PARTS[:-1]


class Benchmark:
    """The parts of the benchmark; what several need is made once.

    Args:
        args: The command line of ``tools/analysis_tools/benchmark.py``.
        folder: For generated data and the runner's files.
        tell: Called with a message at each step.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        folder: Path,
        tell: Callable[[str], None],
    ) -> None:
        self.args, self.folder, self.tell = args, folder, tell
        self.part = ''
        if 'scaling' in args.only:  # now, not after hours
            require_cores(args.processes)
        self.cfg = load_config(args.config, args.cfg_options)
        without_pretrained(self.cfg)
        if args.depth is not None:
            set_depth(self.cfg, args.depth)
        override_data_roots(self.cfg, args.data_root)
        self.timing = dict(
            rounds=args.rounds,
            warmup=args.warmup,
            clock=time.process_time if args.cpu_time else time.perf_counter,
            tick=self.tick,
        )

    def run(self, part: str) -> list[Row]:
        """Measure one part."""
        self.part = part
        return getattr(self, part)()

    def tick(self, step: str) -> None:
        """Tell which step of the current part begins."""
        self.tell(f'{self.part}: {step}')

    def start_up(self) -> list[Row]:
        """The import against that of mmseg, and the command's help."""
        return start_up_rows(**self.timing)

    def speed(self) -> list[Row]:
        """Iterations against the bare network."""
        return speed_rows(self.training_case, **self.timing)

    def steps(self) -> list[Row]:
        """Iterations against the published loop, in processes."""
        return step_rows(
            self.scaled_config(self.args.size_factor),
            self.args.published,
            device=self.args.device,
            threads=self.args.threads,
            **self.timing,
        )

    def memory(self) -> list[Row]:
        """Peak of an iteration against that of one domain."""
        return memory_rows(self.training_case, self.tick)

    def loading(self) -> list[Row]:
        """The data set against Pillow, at the sizes of the config."""
        cfg = self.config_with_data('loading')
        return loading_rows(cfg, self.args.images, **self.timing)

    def image_formats(self) -> list[Row]:
        """Our pipeline against the published one and bare decoding."""
        return image_format_rows(self.folder / 'image_formats', **self.timing)

    def labels(self) -> list[Row]:
        """The label table against masked writes."""
        return label_rows(**self.timing)

    def evaluation(self) -> list[Row]:
        """The validation loop against the bare forward pass."""
        factor = self.args.size_factor
        cfg = self.config_with_data('evaluation', factor)
        scale_sizes(cfg, factor)
        return evaluation_rows(
            cfg,
            self.folder / 'work_dir',
            self.args.images,
            device=self.args.device,
            **self.timing,
        )

    def prediction(self) -> list[Row]:
        """Predicting files against the bare forward pass."""
        factor = self.args.size_factor
        cfg = self.config_with_data('prediction', factor)
        scale_sizes(cfg, factor)
        return prediction_rows(
            cfg,
            self.folder / 'prediction_work_dir',
            self.args.images,
            device=self.args.device,
            **self.timing,
        )

    def sampler(self) -> list[Row]:
        """The sampler's jump when a run is resumed."""
        return sampler_rows(**self.timing)

    def labelling(self) -> list[Row]:
        """Labelling a target against the bare forward pass."""
        factor = self.args.size_factor
        cfg = self.config_with_data('labelling', factor)
        scale_sizes(cfg, factor)
        return labelling_rows(
            cfg,
            self.folder / 'pseudo_labels',
            self.args.images,
            device=self.args.device,
            **self.timing,
        )

    def labelling_memory(self) -> list[Row]:
        """Memory of labelling sets of few and of many images."""
        return labelling_memory_rows(
            self.folder / 'sets', self.args.set_sizes, self.tick
        )

    def scaling(self) -> list[Row]:
        """Several processes against one, and many labels against few."""
        cfg = self.scaled_config(self.args.size_factor)
        folder = self.folder / 'scaling'
        rows = process_rows(cfg, folder, self.args.processes, **self.timing)
        labels = folder / 'labels'
        return rows + class_statistics_rows(
            labels, self.args.set_sizes, self.tick
        )

    def several_targets(self) -> list[Row]:
        """Iterations for several targets against those for one."""
        return several_targets_rows(
            self.scaled_config(self.args.targets_size),
            self.args.targets,
            device=self.args.device,
            **self.timing,
        )

    def several_targets_memory(self) -> list[Row]:
        """Peak of an iteration for several targets against that for one."""
        size, width = self.args.targets_memory
        return several_targets_memory_rows(
            self.scaled_config(size),
            self.args.targets,
            device=self.args.device,
            width=width,
            tick=self.tick,
        )

    def several_targets_evaluation(self) -> list[Row]:
        """Testing several targets in one run against a run for each."""
        factor = self.args.targets_size
        cfg = self.config_with_data('several_targets', factor)
        scale_sizes(cfg, factor)
        return several_targets_evaluation_rows(
            cfg,
            self.folder / 'several_targets_work_dir',
            self.args.targets,
            self.args.images,
            device=self.args.device,
            **self.timing,
        )

    def lab_translation(self) -> list[Row]:
        """Colours of a target against the published way to give them."""
        return lab_translation_rows(
            self.folder / 'lab_translation', self.args.images, **self.timing
        )

    def online_self_training(self) -> list[Row]:
        """DACS, DAFormer and MIC against their bare passes."""
        return self_training_rows(
            self.scaled_config(self.args.size_factor),
            device=self.args.device,
            **self.timing,
        )

    def precisions(self) -> list[Row]:
        """Iterations with their data in fp32, bf16, and compiled."""
        factor = self.args.size_factor
        cfg = self.config_with_data('precisions', factor)
        scale_sizes(cfg, factor)
        return precision_rows(
            cfg,
            device=self.args.device,
            minutes=self.args.minutes,
            tick=self.tick,
        )

    def scaled_config(self, factor: float) -> Config:
        """Copy of the config with other image sizes."""
        cfg = copy.deepcopy(self.cfg)
        scale_sizes(cfg, factor)
        return cfg

    @cached_property
    def training_case(self) -> TrainingCase:
        """Models and batch of the training parts."""
        cfg = self.scaled_config(self.args.size_factor)
        return TrainingCase(cfg, self.args.device)

    def config_with_data(self, name: str, factor: float = 1.0) -> Config:
        """Copy of the config, with generated data if none was given."""
        cfg = copy.deepcopy(self.cfg)
        if not self.args.data_root:
            self.tick('generating images')
            make_data(cfg, self.folder / name, self.args.images, factor)
        return cfg
