"""Writes src/emit/data/aws-shapes.json from botocore's service models (Apache-2.0).

    pip install botocore && python scripts/aws-shapes.py DATE > src/emit/data/aws-shapes.json

Only the requests that llmp writes, and of each shape only what a validator needs (no documentation).
"""
import gzip, importlib.metadata, json, pathlib, sys
import botocore

REQUESTS = {
    "sagemaker": ["CreateTrainingJobRequest", "CreatePipelineRequest", "CreateClusterRequest"],
    "batch": [
        "RegisterJobDefinitionRequest",
        "SubmitJobRequest",
        "SubmitServiceJobRequest",
        "CreateServiceEnvironmentRequest",
        "CreateJobQueueRequest",
    ],
}
KEEP = ("type", "required", "members", "member", "key", "value", "min", "max", "pattern", "enum", "union")


def load(service):
    folder = sorted((pathlib.Path(botocore.__file__).parent / "data" / service).iterdir())[-1]
    return folder.name, json.loads(gzip.decompress((folder / "service-2.json.gz").read_bytes()))


def ref(member):
    return member["shape"]


def compact(shape):
    out = {k: shape[k] for k in KEEP if k in shape}
    if "members" in out:
        out["members"] = {k: ref(v) for k, v in out["members"].items()}
    for k in ("member", "key", "value"):
        if k in out:
            out[k] = ref(out[k])
    return out


result = {
    "source": f"botocore {importlib.metadata.version('botocore')} service-2.json (Apache-2.0)",
    "date": sys.argv[1],
    "services": {},
}
for service, requests in REQUESTS.items():
    version, model = load(service)
    shapes, todo = {}, list(requests)
    while todo:
        name = todo.pop()
        if name in shapes:
            continue
        shape = compact(model["shapes"][name])
        shapes[name] = shape
        todo += list(shape.get("members", {}).values())
        todo += [shape[k] for k in ("member", "key", "value") if k in shape]
    # Only the request's own operation: batch models say "string" for enums too.
    result["services"][service] = {"version": version, "shapes": dict(sorted(shapes.items()))}
print(json.dumps(result, separators=(",", ":")))
