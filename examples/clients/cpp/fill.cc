// Fills masks through TensorFlow Serving's gRPC interface.
//   make -C examples/clients/cpp && examples/clients/cpp/build/fill [localhost:8500] [mlm] [TEXT]

#include <chrono>
#include <cstdint>
#include <iomanip>
#include <iostream>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>

#include "serving.grpc.pb.h"

using tensorflow::TensorProto;
using tensorflow::serving::PredictionService;
using tensorflow::serving::PredictRequest;
using tensorflow::serving::PredictResponse;

int main(int argc, char** argv) {
  const std::string target = argc > 1 ? argv[1] : "localhost:8500";
  const std::string model = argc > 2 ? argv[2] : "mlm";
  const std::string text = argc > 3 ? argv[3] : "Paris is the [MASK] of France.";
  constexpr int kTopK = 3;

  PredictRequest request;
  request.mutable_model_spec()->set_name(model);
  request.mutable_model_spec()->set_signature_name("fill_mask_top_k");
  TensorProto& texts = (*request.mutable_inputs())["text"];  // string [batch]
  texts.set_dtype(tensorflow::DT_STRING);
  texts.mutable_tensor_shape()->add_dim()->set_size(1);
  texts.add_string_val(text);
  TensorProto& top_k = (*request.mutable_inputs())["top_k"];  // int32 [batch]
  top_k.set_dtype(tensorflow::DT_INT32);
  top_k.mutable_tensor_shape()->add_dim()->set_size(1);
  top_k.add_int_val(kTopK);

  auto stub = PredictionService::NewStub(
      grpc::CreateChannel(target, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  context.set_wait_for_ready(true);  // a server that is starting is waited for
  PredictResponse response;
  const grpc::Status status = stub->Predict(&context, request, &response);
  if (!status.ok()) {
    std::cerr << "fill: " << status.error_code() << ": " << status.error_message() << "\n";
    return 1;
  }

  const auto& outputs = response.outputs();
  const std::string& state = outputs.at("status").string_val(0);
  if (state != "ok" && state != "truncated") {
    std::cerr << "fill: the text was not filled: " << state << "\n";
    return 2;
  }
  const TensorProto& token = outputs.at("token");  // int32 [batch, masks, k]
  const int64_t masks = token.tensor_shape().dim(1).size();
  const int64_t k = token.tensor_shape().dim(2).size();
  std::cout << std::fixed << std::setprecision(3);
  for (int64_t mask = 0; mask < masks; ++mask) {
    for (int64_t i = 0; i < k; ++i) {
      const int at = static_cast<int>(mask * k + i);
      if (token.int_val(at) < 0) continue;  // padding
      std::cout << outputs.at("score").float_val(at) << "\t" << outputs.at("token_str").string_val(at)
                << "\t" << outputs.at("sequence").string_val(at) << "\n";
    }
  }
  return 0;
}
