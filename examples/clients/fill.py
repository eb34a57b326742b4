"""Fills masks through both interfaces of TensorFlow Serving; imports no TensorFlow.

python examples/clients/fill.py [REST address of the model] [gRPC host:port]
"""

import asyncio
import sys

from tfmlm.client import GrpcClient, RestClient

rest_address = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8501/v1/models/mlm"
grpc_target = sys.argv[2] if len(sys.argv) > 2 else "localhost:8500"
text = "Paris is the [MASK] of France."

with RestClient(rest_address) as client:
    for fill in client.fill(text, top_k=3):
        print(f"{fill.score:.3f}  {fill.token_str:12} {fill.sequence}")

with GrpcClient(grpc_target, rest_address.rsplit("/", 1)[1]) as client:
    one, several = client.fill([text, "The [MASK] of the [MASK]."])
    print(one[0].token_str, [mask[0].token_str for mask in several])
    print([fill.token_str for fill in client.fill(text, targets=["capital", "heart"])])


async def many() -> None:
    async with RestClient(rest_address) as client:
        texts = [f"The number {i} is [MASK]." for i in range(20)]
        answers = await asyncio.gather(*[client.fill_async(text, top_k=1) for text in texts])
        print(len(answers), "answers")


asyncio.run(many())
