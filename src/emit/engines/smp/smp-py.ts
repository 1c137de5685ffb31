export const smpPy = String.raw`"""train.py under SageMaker's model parallel library v2 (torch.sagemaker). Written by llmp."""
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))

with open(os.path.join(HERE, "smp.json"), encoding="utf-8") as file:
    SETTINGS = json.load(file)
FP8, SMDDP = SETTINGS.pop("fp8"), SETTINGS.pop("smddp")

if SMDDP:
    # SageMaker's collectives over EFA: registered by the import, chosen by the backend's name.
    import smdistributed.dataparallel.torch.torch_smddp  # noqa: F401
    import torch.distributed as dist

    dist.init_process_group(backend="smddp")

import torch.sagemaker as tsm  # noqa: E402

tsm.init(config=SETTINGS)

import train  # noqa: E402

load_model = train.load_model


def transformed(section, dtype):
    return tsm.transform(load_model(section, dtype))


train.load_model = transformed

if FP8:
    from transformer_engine.common.recipe import DelayedScaling, Format
    import transformer_engine.pytorch as te

    recipe = DelayedScaling(fp8_format=Format.HYBRID, amax_history_len=1024, amax_compute_algo="max")
    with te.fp8_autocast(enabled=True, fp8_recipe=recipe, fp8_group=tsm.state.world_process_group):
        train.main()
else:
    train.main()
`;
