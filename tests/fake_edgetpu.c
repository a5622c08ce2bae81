/* A stand-in for libedgetpu, compiled by the tests: claims every edgetpu-custom-op and answers which
 * of red, green and blue is the most in the picture. The option "device" must be one of "usb" and
 * "usb:0"; any other finds nothing, as the real library says it: by returning no delegate.
 *
 * Only the head of each TFLite structure is declared, as far as it is used (tensorflow/lite/c/common.h).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct { int size; int data[]; } IntArray;
typedef struct { int type; uint8_t *data; } TensorHead;
typedef struct { IntArray *inputs, *outputs; } NodeHead;
typedef struct Delegate Delegate;
typedef struct Context Context;

typedef struct {
  void *(*init)(Context *, const char *, size_t);
  void (*free)(Context *, void *);
  int (*prepare)(Context *, NodeHead *);
  int (*invoke)(Context *, NodeHead *);
  const char *(*profiling_string)(const Context *, const NodeHead *);
  int32_t builtin_code;
  const char *custom_name;
  int version;
  void *spare[4];
} Registration;

struct Context {
  size_t tensors_size;
  int (*get_execution_plan)(Context *, IntArray **);
  char *tensors;
  void *impl;
  void *resize_tensor, *report_error, *add_tensors, *get_node_and_registration;
  int (*replace)(Context *, Registration, const IntArray *, Delegate *);
};

struct Delegate {
  void *data;
  int (*prepare)(Context *, Delegate *);
  void *copy_from, *copy_to, *free_handle;
  int64_t flags;
  void *spare[2];
};

enum { TENSOR_BYTES = 112 }; /* sizeof(TfLiteTensor) on 64 bits */

static TensorHead *tensor(Context *context, int index) {
  return (TensorHead *)(context->tensors + (size_t)index * TENSOR_BYTES);
}

static int elements(Context *context, int index) {
  IntArray *dims = *(IntArray **)(context->tensors + (size_t)index * TENSOR_BYTES + 16);
  int count = 1;
  for (int i = 0; i < dims->size; i++) count *= dims->data[i];
  return count;
}

static int prepare_node(Context *context, NodeHead *node) { return 0; }

static int invoke(Context *context, NodeHead *node) {
  int input = node->inputs->data[0], output = node->outputs->data[0];
  int outputs = elements(context, output), best = 0;
  long sums[3] = {0, 0, 0};
  for (int i = 0; i < elements(context, input); i++) sums[i % 3] += tensor(context, input)->data[i];
  for (int i = 1; i < 3; i++) if (sums[i] > sums[best]) best = i;
  memset(tensor(context, output)->data, 0, outputs);
  tensor(context, output)->data[outputs - 3 + best] = 250;
  return 0;
}

static int prepare(Context *context, Delegate *delegate) {
  Registration kernel = {0};
  IntArray *plan;
  kernel.prepare = prepare_node;
  kernel.invoke = invoke;
  kernel.custom_name = "FakeEdgeTpu";
  kernel.version = 1;
  if (context->get_execution_plan(context, &plan)) return 1;
  return context->replace(context, kernel, plan, delegate);
}

Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count,
                                        void (*report)(const char *)) {
  for (size_t i = 0; i < count; i++)
    if (!strcmp(keys[i], "device") && strcmp(values[i], "usb") && strcmp(values[i], "usb:0"))
      return NULL;
  Delegate *delegate = calloc(1, sizeof *delegate);
  delegate->prepare = prepare;
  delegate->flags = 1; /* as libedgetpu has it; without it the operator stays unresolved */
  return delegate;
}

void tflite_plugin_destroy_delegate(Delegate *delegate) { free(delegate); }
