"""A small model behind real servers: the programs of chapter 28.

Importing this package imports no server. Its modules:

- :mod:`~helpers.serve.drawings`: pictures of cats and fish, drawn, as JPEG bytes;
- :mod:`~helpers.serve.catfish`: the model and its weights;
- :mod:`~helpers.serve.preprocess`: from the bytes of an upload to a tensor, with limits;
- :mod:`~helpers.serve.batching`: a bounded queue in front of one worker that computes in batches;
- :mod:`~helpers.serve.service`: what every server does with a picture: predict, count, log;
- :mod:`~helpers.serve.app` (FastAPI), :mod:`~helpers.serve.flask_app` (Flask),
  :mod:`~helpers.serve.grpc_server` (gRPC, ``catfish.proto``): the servers;
- :mod:`~helpers.serve.child` and :mod:`~helpers.serve.process`: one of them as a process on a
  free port of 127.0.0.1 that ends with the process that started it;
- :mod:`~helpers.serve.load`: a client that sends at given times and measures.

The servers need ``pip install "nn-pytorch-course[serve]"``.
"""
