package io.github.flowpub.examples;

import java.net.InetAddress;
import java.net.UnknownHostException;
import org.apache.flink.table.functions.ScalarFunction;

/** The text of an address of 4 or 16 bytes, NULL of one that the exporter does not send. */
public class FlowAddress extends ScalarFunction {
  public String eval(byte[] address) throws UnknownHostException {
    if (address == null || address.length == 0) {
      return null;
    }
    return InetAddress.getByAddress(address).getHostAddress();
  }
}
