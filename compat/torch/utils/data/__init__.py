"""`torch.utils.data`: datasets, samplers and the loader."""

from compat.torch.utils.data.collate import default_collate, default_convert
from compat.torch.utils.data.dataset import (
    ChainDataset, ConcatDataset, Dataset, IterableDataset, StackDataset, Subset, TensorDataset,
    random_split,
)
from compat.torch.utils.data.dataloader import DataLoader
from compat.torch.utils.data import distributed
from compat.torch.utils.data.distributed import DistributedSampler
from compat.torch.utils.data.sampler import (
    BatchSampler, RandomSampler, Sampler, SequentialSampler, SubsetRandomSampler,
    WeightedRandomSampler,
)
from compat.torch.utils.data.workers import get_worker_info
