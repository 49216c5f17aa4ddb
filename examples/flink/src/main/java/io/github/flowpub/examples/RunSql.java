package io.github.flowpub.examples;

import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.types.Row;
import org.apache.flink.util.CloseableIterator;

/** Runs a file of SQL in a cluster of its own, in this process, and prints the rows of its last query. */
public final class RunSql {
  public static void main(String[] args) throws Exception {
    String sql = Files.readString(Path.of(args[0]));
    for (int i = 1; i < args.length; i++) {
      String[] setting = args[i].split("=", 2);
      sql = sql.replace("${" + setting[0] + "}", setting[1]);
    }
    TableEnvironment tables = TableEnvironment.create(EnvironmentSettings.inStreamingMode());
    TableResult last = null;
    for (String statement : sql.replaceAll("(?m)^--.*$", "").split(";\\s*(\\n|$)")) {
      if (!statement.isBlank()) {
        last = tables.executeSql(statement);
      }
    }
    try (CloseableIterator<Row> rows = last.collect()) {
      rows.forEachRemaining(System.out::println);
    }
  }
}
