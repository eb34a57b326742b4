// Fills masks through TensorFlow Serving's REST interface; Java 17 or later, nothing to install.
//   java examples/clients/Fill.java [http://localhost:8501/v1/models/mlm]

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;

public class Fill {
  public static void main(String[] args) throws Exception {
    String model = args.length > 0 ? args[0] : "http://localhost:8501/v1/models/mlm";
    String body =
        """
        {"signature_name": "fill_mask_top_k",
         "inputs": {"text": ["Paris is the [MASK] of France."], "top_k": [3]}}
        """;
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(model + ":predict"))
            .timeout(Duration.ofSeconds(30))
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(body))
            .build();
    HttpResponse<String> response =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .build()
            .send(request, HttpResponse.BodyHandlers.ofString());
    if (response.statusCode() != 200) {
      System.err.println(response.statusCode() + ": " + response.body());
      System.exit(1);
    }
    System.out.println(response.body());
  }
}
