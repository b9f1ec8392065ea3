"""Base: what every room uses: names, files, stages and the steps of weights. It knows neither ONNX nor MindSpore."""
