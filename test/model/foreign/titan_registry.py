from torchtitan.components.optimizer import LRSchedulersContainer, default_adamw
from torchtitan.config import ParallelismConfig, TrainingConfig
from torchtitan.trainer import Trainer

from . import model_registry


def llama3_debugmodel() -> Trainer.Config:
    return Trainer.Config(model_spec=model_registry("debugmodel"), training=TrainingConfig(steps=10))


def llama3_70b() -> Trainer.Config:
    """Seventy billion, on 256 GPUs."""
    model_spec = model_registry("70B")
    return Trainer.Config(
        loss=ChunkedLossWrapper.Config(
            loss_fn=CrossEntropyLoss.Config(global_vocab_size=decoder_vocab_size(model_spec)),
        ),
        hf_assets_path="./assets/hf/Llama-3-70B",
        model_spec=model_spec,
        optimizer=default_adamw(lr=1.5e-4),
        lr_scheduler=LRSchedulersContainer.Config(warmup_steps=2_000, decay_type="cosine", min_lr_factor=0.1),
        training=TrainingConfig(
            local_batch_size=8,
            seq_len=8192,  # tokens
            steps=100_000,
        ),
        dataloader=HuggingFaceTextDataLoader.Config(dataset="c4"),
        parallelism=ParallelismConfig(
            data_parallel_shard_degree=32,
            tensor_parallel_degree=8,
        ),
        checkpoint=CheckpointManager.Config(interval=500, folder="checkpoint"),
        activation_checkpoint=FullAC.Config(),
    )
