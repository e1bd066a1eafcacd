// load-cnn MODEL: load a traced model, run it on one fixed input, print ten digits of each output.
#include <ATen/Parallel.h>
#include <torch/script.h>

#include <iomanip>
#include <iostream>
#include <vector>

int main(int argc, char **argv) {
  if (argc != 2) {
    std::cerr << "usage: load-cnn MODEL\n";
    return 2;
  }
  torch::jit::Module module;  // by value: it is a handle already
  try {
    module = torch::jit::load(argv[1]);
  } catch (const c10::Error &error) {
    std::cerr << "cannot load " << argv[1] << '\n';
    return 1;
  }
  torch::InferenceMode guard;
  at::set_num_threads(1);
  // The interpreter of TorchScript takes values of any of its types, so each is wrapped.
  std::vector<torch::jit::IValue> inputs{
      torch::linspace(0, 1, 3 * 224 * 224).reshape({1, 3, 224, 224})};
  torch::Tensor output = module.forward(inputs).toTensor();
  std::cout << output.sizes() << std::setprecision(9);
  for (int64_t i = 0; i < output.numel(); ++i) {
    std::cout << ' ' << output.flatten()[i].item<float>();
  }
  std::cout << '\n';
}
