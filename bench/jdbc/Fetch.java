import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.sql.DriverManager;

/**
 * Reads all rows of queries by JDBC, with the driver's defaults. A line of its input is a URL and a query
 * with a tab between them; the answer is the seconds from connecting to the last value, and the rows.
 */
public class Fetch {
    public static void main(String[] arguments) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null; ) {
            String[] words = line.split("\t");
            long started = System.nanoTime();
            long rows = fetched(words[0], words[1]);
            System.out.println((System.nanoTime() - started) / 1e9 + " " + rows);
        }
    }

    private static long fetched(String url, String query) throws Exception {
        try (var connection = DriverManager.getConnection(url);
                var statement = connection.createStatement();
                var found = statement.executeQuery(query)) {
            int width = found.getMetaData().getColumnCount();
            long rows = 0;
            while (found.next()) {
                for (int column = 1; column <= width; column++) {
                    if (found.getObject(column) == null) {
                        throw new IllegalStateException("no value is NULL");
                    }
                }
                rows++;
            }
            return rows;
        }
    }
}
