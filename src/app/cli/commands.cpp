#include "app/cli/commands.hpp"

namespace hone::app {

const std::vector<Command>& commands() {
  static const std::vector<Command> list = {
      {"find", "list the architectures that hone train has, with what they cost here", nullptr, "hone_trainer"},
      {"train", "train on your images: classification, detection or segmentation", nullptr, "hone_trainer"},
      {"data", "check a data set: what is in it, what is wrong with it", add_data},
      {"eval", "measure a model on labelled images: accuracy, mAP or mIoU", add_eval},
      {"quantize", "make an INT8 model from an FP32 one and some sample images", add_quantize},
      {"optimize", "make a trained model INT8 with the data it was trained on, keeping its accuracy", add_optimize},
      {"bench", "measure latency and throughput of a model", add_bench},
      {"convert", "write a model in another form: optimized, with another batch size", add_convert},
      {"compare", "find the node where two models or devices part", add_compare},
      {"run", "classify images, find objects or segment them", add_run},
      {"demo", "show what models see in images, a video or a camera", nullptr, "hone_demo"},
      {"explain", "show which places of an image speak for a class", add_explain},
      {"deploy", "write a folder with a model, a program that runs it and its source", add_deploy},
      {"inspect", "show what is in a model file", add_inspect},
      {"report", "write report.html about a trained model", add_report},
      {"conformance", "run the ONNX backend tests", add_conformance},
      {"generate", "render a data set to try things on", add_generate},
      {"doctor", "check this machine and this build", add_doctor},
      {"devices", "list the devices that models run on", add_devices},
  };
  return list;
}

}  // namespace hone::app
